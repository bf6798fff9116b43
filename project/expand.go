package project

import "regexp"

// A variable is ${NAME}; $${NAME} stands for ${NAME} itself.
var variable = regexp.MustCompile(`\$?\$\{([^}]*)\}`)

// expand puts the environment's values where text says ${NAME}, and lists the variables that are not set.
func expand(text string, env Env) (expanded string, missing []string) {
	expanded = variable.ReplaceAllStringFunc(text, func(found string) string {
		if found[1] == '$' {
			return found[1:]
		}
		name := found[2 : len(found)-1]
		value, ok := env(name)
		if !ok {
			missing = append(missing, name)
		}
		return value
	})
	return expanded, missing
}
