SHELL         := bash
.SHELLFLAGS   := -eu -o pipefail -c
.DEFAULT_GOAL := help
MODULES        = $(shell go list -m -f '{{.Dir}}')
COMMANDS       = $(patsubst %/main.go,./%,$(wildcard services/*/cmd/*/main.go))
# Tools have a module of their own, outside the workspace, so that their
# dependencies stay out of the product. go accepts no -modfile in a workspace:
# this is the path of the built tool, which then runs inside the workspace.
TOOL           = "$$(GOWORK=off go -C $(CURDIR)/deployments/tools tool -n $(1))"
NPM            = npm --prefix frontend
# A server of the hub's benchmark.
SOCKETIO       = deployments/test/bench/hub/socketio
# Files that are generated from the contracts.
GENERATED      = api/asyncapi/events.yaml $(patsubst %,services/%/rest/api.gen.go,policy chat) \
                 $(patsubst %,frontend/src/api/%.gen.ts,policy chat portal events hubs)
# events or hub (default: both), followed by arguments of go test.
BENCH         =
.PHONY: help run build web generate contracts fresh release-contract check fmt test audit bench chaos

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build everything and start parley
	@exec bin/parley

build: web ## build the web app and every command, into bin/
	go build -o bin/ $(COMMANDS)

web: frontend/node_modules
	$(NPM) run build

frontend/node_modules $(SOCKETIO)/node_modules: %/node_modules: %/package-lock.json
	npm --prefix $* ci --no-audit --no-fund
	@touch $@

generate: frontend/node_modules ## events.yaml, servers and front-end types from api/
	deployments/tools/generate.sh

# Generated files are committed. They are compared with the working tree, not with
# git, so that a check before the commit works.
fresh: frontend/node_modules
	@before=$$(sha256sum $(GENERATED)); $(MAKE) generate; \
		diff <(echo "$$before") <(sha256sum $(GENERATED)) || { echo 'generated files were out of date and are updated now'; exit 1; }

contracts: frontend/node_modules fresh
	@REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true frontend/node_modules/.bin/redocly lint \
		--config api/redocly.yaml --format stylish api/openapi/*.yaml api/asyncapi/*.yaml

release-contract: contracts ## release the present api/: later changes must be compatible with it
	rm -rf api/released
	mkdir api/released
	cp -R api/openapi api/asyncapi api/schemas api/released/

check: frontend/node_modules contracts ## all checks without servers: format, lint, imports, modules, words, links, front end
	$(call TOOL,golangci-lint) fmt --diff
	go vet work
	$(call TOOL,golangci-lint) run --allow-parallel-runners $(addsuffix /...,$(MODULES))
	@# Functions that neither a command nor a test reaches.
	@dead=$$($(call TOOL,deadcode) -test work); echo "$${dead:-no dead code}"; [[ -z $$dead ]]
	@# In a workspace each module may import every other; without, go.mod decides.
	@for m in $(MODULES); do echo "without workspace: $$m"; (cd $$m; export GOWORK=off; go mod tidy -diff; go build ./...); done
	@for m in verify chaos bench bench/hub; do echo "outside the workspace: $$m"; (cd deployments/test/$$m; export GOWORK=off; go mod tidy -diff; go vet ./...); done
	@# Sizes and prose are reported and never fail the check.
	@GOWORK=off go -C deployments/test/verify run ./report $(CURDIR)
	@# Without the test cache, because it ignores files outside the module.
	GOWORK=off go -C deployments/test/verify test -count=1 ./...
	$(NPM) run check

fmt: frontend/node_modules ## format Go and the front end
	$(call TOOL,golangci-lint) fmt
	cd frontend && npx --no-install prettier --write --log-level warn .

test: frontend/node_modules $(SOCKETIO)/node_modules ## all tests; installs the servers that they need (apt)
	deployments/setup/test.sh
	$(MAKE) build
	@# Go tests run bin/parley and drive the clients in frontend/node_modules.
	$(call TOOL,gotestsum) --format pkgname -- -race -shuffle=on -timeout 20m work
	@# The commands that the repository's pages tell a reader to run.
	GOWORK=off go -C deployments/test/verify test -count=1 -timeout 30m -run TestCommandsOfPagesSucceed ./document -commands
	@# A short fault run, also without each guarantee to see that the loss is detected.
	GOWORK=off go -C deployments/test/chaos test -count=1 -timeout 15m ./...
	@# A short run of the benchmark that needs no broker.
	GOWORK=off go -C deployments/test/bench/hub test -count=1 -timeout 5m -short ./...
	$(NPM) test
	$(NPM) run e2e

BREAK         =
QUEUES        = classic
chaos: ## 50 faults during 100,000 events; QUEUES=quorum: a cluster; BREAK=inbox, ack or outbox must fail
	GOWORK=off go -C deployments/test/chaos test -count=1 -timeout 60m -v -run TestNoEvent . \
		-policies 50000 -rate 5000 -faults 50 -queues $(QUEUES) -break '$(BREAK)'

bench: $(SOCKETIO)/node_modules ## compare with common alternatives; BENCH='hub -run Fanout -rounds 9'
	$(if $(filter hub,$(BENCH)),,GOWORK=off go -C deployments/test/bench test -count=1 -timeout 60m -v . $(filter-out events,$(BENCH)))
	$(if $(filter events,$(BENCH)),,GOWORK=off go -C deployments/test/bench/hub test -count=1 -timeout 4h -v . $(filter-out hub,$(BENCH)))

audit: ## known vulnerabilities in the code that each module calls
	deployments/tools/audit.sh $(MODULES)
