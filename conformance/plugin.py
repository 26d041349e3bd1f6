"""The pytest plugin: options, header, the record and the summary.

An installed plugin is imported by every pytest run in its environment, so nothing heavy is imported before
the suite is really asked for.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gradlaws.conformance.suite.options import add_options

if TYPE_CHECKING:
    from gradlaws.conformance.suite.campaign import Campaign

HERE = Path(__file__).resolve().parent
KEY: pytest.StashKey[Campaign] = pytest.StashKey()
#: Files that pytest may take its configuration from.
CONFIGURATIONS = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
#: How many worker processes have died in a row before they were ready; after so many more are not to be expected.
FRUITLESS: pytest.StashKey[int] = pytest.StashKey()
ENOUGH = 4
#: The campaign of this process; a list, because the hook that needs it is not given the config.
_ACTIVE: list[Campaign] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the suite."""
    add_options(parser)


def _wanted(config: pytest.Config) -> bool:
    """Whether this run asks for the suite: by an option, by --pyargs, or by a path."""
    option = config.option
    asked = (
        option.backend,
        option.laws,
        option.laws_of,
        option.shard,
        option.record,
        option.known_failures,
        option.replay,
        option.store,
    )
    if any(given is not None for given in (*asked, option.seed, option.store)):
        return True
    for argument in config.args:
        place = argument.split("::")[0]
        if place.startswith("gradlaws"):
            return True
        path = (config.invocation_params.dir / place).resolve()
        if path.exists() and (path == HERE or HERE in path.parents or path in HERE.parents):
            return True
    return False


def campaign_of(config: pytest.Config) -> Campaign:
    """What this run is about; made when first needed. Raises pytest.UsageError for wrong options."""
    if KEY not in config.stash:
        from gradlaws.conformance.suite.campaign import Campaign
        from gradlaws.conformance.suite.settings import SettingsError

        try:
            config.stash[KEY] = Campaign.of(config)
        except SettingsError as error:
            raise pytest.UsageError(str(error)) from error
        _ACTIVE.append(config.stash[KEY])
    return config.stash[KEY]


def _misled(config: pytest.Config) -> str:
    """The option, in one word, whose value had pytest look for its configuration elsewhere; empty where none did.

    Before plugins have declared options pytest takes what follows them for paths to test, where there are such.
    """
    here = config.invocation_params.dir
    if config.inipath is not None or not any((here / name).exists() for name in CONFIGURATIONS):
        return ""
    words = [str(word) for word in config.invocation_params.args]
    for flag, word in pairwise(words):
        path = (here / word).resolve()
        if flag.startswith("--") and "=" not in flag and path.exists() and here not in (path, *path.parents):
            return f"{flag}={word}"
    return ""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Check the options before anything is collected."""
    if _wanted(config) and not config.option.help and not config.option.version:
        if whole := _misled(config):
            raise pytest.UsageError(
                f"pytest looks for its configuration where the value of an option is; write {whole} in one word"
            )
        campaign = campaign_of(config)
        # An engine may kill a process at every law, and pytest-xdist would give up after four a worker; one that
        # dies before any law runs would be started for ever.
        if getattr(config.option, "maxworkerrestart", "") is None:
            config.option.maxworkerrestart = str(len(campaign.cases) + 2)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a worker process of pytest-xdist the seed of this run."""
    if KEY in node.config.stash:
        node.workerinput["gradlaws_seed"] = node.config.stash[KEY].options.effort.seed


@pytest.hookimpl(optionalhook=True)
def pytest_testnodeready(node: Any) -> None:
    """Notice a worker process of pytest-xdist in which everything is prepared."""
    node.config.stash[FRUITLESS] = 0


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """End the run where one worker process after the other dies before it is ready."""
    if error and KEY in node.config.stash:
        node.config.stash[FRUITLESS] = died = node.config.stash.get(FRUITLESS, 0) + 1
        if died >= ENOUGH:
            campaign = node.config.stash[KEY]
            campaign.stopped = (
                f"{died} worker processes in a row died before they could begin: {_first(error)}"
            )
            pytest.exit(campaign.stopped, int(pytest.ExitCode.INTERRUPTED))


def _first(error: object) -> str:
    """The last line of what a worker process says at its end, which is the exception."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else "nothing is known of it"


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Versions, backends, capabilities, seed."""
    if KEY not in config.stash:
        return []
    from gradlaws.conformance.suite.report_header import introduction

    campaign = config.stash[KEY]
    return list(introduction(campaign.options, campaign.cases))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a law and backend, its id the law's."""
    if "law_case" in metafunc.fixturenames:
        cases = campaign_of(metafunc.config).cases.laws
        metafunc.parametrize("law_case", cases, ids=[case.id for case in cases])
    if "whole_case" in metafunc.fixturenames:
        cases = campaign_of(metafunc.config).cases.wholes
        metafunc.parametrize("whole_case", cases, ids=[case.id for case in cases])
    if "example_case" in metafunc.fixturenames:
        cases = campaign_of(metafunc.config).cases.examples
        metafunc.parametrize("example_case", cases, ids=[case.id for case in cases])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whole programs first where worker processes share the tests: the longest item would keep one of them late."""
    if KEY in config.stash and hasattr(config, "workerinput"):
        items.sort(key=lambda item: "whole_case" not in getattr(item, "fixturenames", ()))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """End the run, with what it has, where there is too little memory for the next law."""
    if KEY in item.config.stash and item.config.stash[KEY].stopped:
        item.session.shouldstop = item.config.stash[KEY].stopped


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect what tests say (in the controller, where tests run in worker processes)."""
    for campaign in _ACTIVE:
        campaign.note(report)


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """The table per family, the level reached, the root causes."""
    if KEY in config.stash:
        config.stash[KEY].exit_code = int(exitstatus)
        config.stash[KEY].summarise(terminalreporter)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Note how the run ended, for the record."""
    if KEY in session.config.stash:
        session.config.stash[KEY].exit_code = int(exitstatus)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Complete the record."""
    if KEY in config.stash:
        _ACTIVE.remove(config.stash[KEY])
        config.stash[KEY].close()


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Campaign:
    """What the run is about."""
    return campaign_of(request.config)
