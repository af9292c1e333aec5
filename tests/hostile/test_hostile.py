"""A thousand hostile histories with each run; `make hostile` judges as many as are wanted."""

from random import Random

from tests.hostile.check import Bench


def test_a_thousand_hostile_histories_have_one_meaning(tmp_path):
    bench = Bench(tmp_path)
    try:
        assert bench.check(Random("hostile"), 1000) > 5000
    finally:
        bench.warehouse.close()
