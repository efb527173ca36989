# Bare `make` lists its words. Each works on a fresh clone.
# Root's own Python may lie where the daemons' users cannot enter; Debian's never does.
PYTHON ?= $(shell [ `id -u` = 0 ] && /usr/bin/python3 -c 'import ensurepip, tomllib' 2>/dev/null && echo /usr/bin/)python3
BIN = .venv/bin
PYTEST = $(BIN)/python -m pytest -q
# A machine too busy for a real peer's patience is no fault of ours: what failed must pass alone, and both runs are seen.
AGAIN = { [ $$? = 1 ] && echo 'Once more, alone, what failed beside others:' && $(PYTEST) --lf --lfnf=none
LOCK = $(BIN)/uv pip compile -q -U --universal --generate-hashes --python-version 3.11 --no-header pyproject.toml
# .venv holds what a lock's hashes name; the stamp .venv/<name> says that it is that lock's.
FILL = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "needs Python 3.11 or later: make PYTHON=...")' \
  && echo 'Filling .venv from $< ...' && { test -x $(BIN)/pip || $(PYTHON) -m venv .venv; } \
  && $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r $< && touch $@

.DEFAULT_GOAL = words
.PHONY: words run test check vectors flow bench crash fuzz peers up down logs map fmt cover clean lock

words:
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 8 | sed 's/^/make /'

run: .venv/run ## the appliance on loopback, standard ports + PORT_BASE (2000); no root, no Docker
	@exec $(BIN)/python -m appliance start

test: .venv/dev peers ## every test that needs no container
	$(PYTEST) -n 2 --dist loadfile --ignore=tests/flow tests || $(AGAIN) --ignore=tests/flow tests; }

check: .venv/dev ## format, lint, types, shape: what a commit must pass
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q . && $(BIN)/python -m mypy --no-error-summary
	@$(PYTEST) -p no:randomly tests/test_shape.py

vectors: .venv/dev ## play recordings of qmail's programs: VECTORS=folder FAMILIES="queue routing ..." PLAY=-v EXTRAS=0 for smtpd without them (root)
	@$(BIN)/python -m tests.vectors.play $(PLAY) $(or $(VECTORS),$(error VECTORS=folder is missing)) $(FAMILIES)

flow: .venv/dev peers ## build the image, start it, send and fetch mail, break it, look again
	@docker compose version && docker info >/dev/null || { echo 'make flow needs a Docker engine with compose'; exit 1; }
	$(PYTEST) -p no:randomly tests/flow || $(AGAIN) -p no:randomly tests/flow; }

bench: .venv/dev peers ## our speed against Postfix's and Dovecot's, as root; ROUNDS=5 ONLY="local_kept relay" PROFILE=send; ONLY=million: a very large queue
	@$(BIN)/python -m tests.bench

crash: .venv/dev ## kill -9 daemons while mail comes in: KILLS=20 SEED=1; each loss of power: PREFIXES=1; failing disks: FAULTS=1
	@$(BIN)/python -m tests.crash

fuzz: .venv/dev ## feed every parser for MINUTES=10 each with what nobody expects; ONLY="smtp pop3" SEED=1
	@$(BIN)/python -m tests.fuzz

peers: ## the mail programs of others that the tests use (apt-get, as root)
	@sh tests/support/peers.sh

up: ## the appliance in a container, with config.yaml as it stands
	docker compose up -d --build --wait && docker compose exec toaster python -m appliance checklist
down: ## stop the container; queue, mail and state stay in their volumes
	docker compose down
logs: ## what the container says
	docker compose logs -f
map: .venv/run ## each module and its sentence: the index of the code
	@$(BIN)/python tests/support/map.py
fmt: .venv/dev ## format, and mend what ruff can mend
	$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

cover: .venv/dev peers ## the branches that no test takes
	$(BIN)/python -m coverage run -m pytest -q --ignore=tests/flow tests; $(BIN)/python -m coverage report -m --skip-covered

clean: ## forget .venv, caches, and .run with its mail
	rm -rf .venv .run .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage

lock: .venv/dev ## look for newer libraries and write the lock files again
	$(LOCK) -o requirements.lock && $(LOCK) -c requirements.lock --group dev -o requirements-dev.lock

.venv/run: requirements.lock ; @$(FILL)
.venv/dev: requirements-dev.lock .venv/run ; @$(FILL)
