// Package wire breaks connections to PostgreSQL at places of one's choice. A Proxy is a man in the middle that knows the
// wire protocol: it cuts sessions before or after a given message, so that the server has committed and the client does
// not know.
//
// It knows nothing of the project, and everybody may import it: "twice prove" loses answers with it, and tests do.
package wire
