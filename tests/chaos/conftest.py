"""The seed of a kill round: a new one each time, or the one that is to be repeated."""

import random

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="Repeat the kill round of this seed.")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Printed with a failure, so that it can be given again."""
    chosen = request.config.getoption("--seed")
    value = random.randrange(2**32) if chosen is None else chosen
    print(f"seed {value}: make chaos SEED={value}")
    return value
