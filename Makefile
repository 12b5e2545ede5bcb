# make demo   everything set up, and the main job shown on a real Slurm cluster on this machine
# make test   everything set up, and every check: ruff, mypy, import-linter, shellcheck, pytest
SHELL := /bin/bash
VENV := $(shell scripts/venv-path.sh)
SHELL_FILES = $(shell git ls-files --cached --others --exclude-standard | xargs grep -lE '^#!.*bash' --)

.PHONY: root demo test lint unit setup packages browser format bench pictures clean

demo: root setup
	@$(VENV)/bin/python -m tests.lab.demo

test: root setup lint unit

root:
	@[[ $$(id -u) == 0 ]] || { echo "this needs root: it runs Slurm's daemons and jobs of several users; try sudo make" >&2; exit 1; }

setup: packages
	@scripts/make-venv.sh

packages:
	@scripts/install-debian.sh

browser: # it draws the dashboards; the demo does without
	@scripts/install-debian.sh chromium fonts-inter fonts-dejavu-core

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	shellcheck $(SHELL_FILES)

unit: setup browser
	@scripts/test.sh

format: setup
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: setup
	@$(VENV)/bin/python -m tests.benchmarks

pictures: setup browser
	@scripts/install-debian.sh pngquant
	@$(VENV)/bin/python -m tests.dashboard_pictures --into docs
	@pngquant --force --ext .png --skip-if-larger --quality 60-90 --speed 1 docs/*.png

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
