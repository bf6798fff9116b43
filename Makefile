# Everyday commands. `make help` lists them.

GOLANGCI := v2.15.0
TOOLS    := .cache/tools
LINTER   := $(TOOLS)/golangci-lint-$(GOLANGCI)

# Real feeds for the tests in examples/, where they are at hand; tests that want them skip otherwise.
ifneq ($(wildcard ../shared/data/.),)
export TWICE_TEST_DATA ?= $(abspath ../shared/data)
endif

# make test RACE= PKG=./ledger/ RUN=TestName
RACE := -race
PKG  := ./...
RUN  :=
# make prove-catalogue SEEDS=7 RUN=no_version
SEEDS := 1,2,3

.DEFAULT_GOAL := build
.PHONY: build demo test deps lint bench prove-catalogue prove-planted fmt clean help

build: ## build bin/twice
	go build -o bin/twice ./cmd/twice

demo: build ## run the demo, twice, through a SIGKILL, and compare the tables
	scripts/demo.sh bin/twice

test: deps ## install what the tests need and run them all, with the race detector
	go test $(RACE) -timeout 45m $(if $(RUN),-run '$(RUN)') $(PKG)

deps: ## install what the tests need
	@if [ -x scripts/test-deps.sh ]; then scripts/test-deps.sh; fi

lint: $(LINTER) ## check formatting, go vet, golangci-lint
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "run make fmt; not formatted:" $$unformatted; exit 1; fi
	go vet ./...
	$(LINTER) run ./...

bench: ## measure against the same work written by hand
	go test -run '^$$' -bench . -benchtime 1x -timeout 60m $(PKG)

prove-catalogue: ## prove examples/broken with three seeds, and print what was found
	go test -run 'TestCatalogue$(if $(RUN),/$(RUN))' -v -count 1 -timeout 60m ./examples/broken/ -args -seeds $(SEEDS)

prove-planted: ## break the engine in known ways, and print which law catches each
	go test -tags planted -run 'TestPlanted$(if $(RUN),/$(RUN))' -v -count 1 -timeout 30m ./prove/

fmt: ## format the code
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

clean: ## remove what was built
	rm -rf bin .cache

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

# Built once a version, into the checkout and not into the user's GOBIN.
$(LINTER):
	GOBIN=$(abspath $(TOOLS)) GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv $(TOOLS)/golangci-lint $@
