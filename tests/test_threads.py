"""The number of threads changes no forecast: what fits and predicts multiplies with one."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from clvml.models.btyd import BetaGeometric
from clvml.models.contract import ContractModel, fit_contract_model
from clvml.models.customer_model import CustomerModel, fit_customer_model
from clvml.threads import one_blas_thread


def threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_one_thread_within_and_as_many_as_before_outside():
    with threadpool_limits(2, user_api="blas"):
        assert one_blas_thread(threads)() == {1}
        assert threads() == {2}


def test_a_likelihood_of_long_vectors_is_the_same_to_the_last_bit():
    rng = np.random.default_rng(0)
    age = rng.uniform(30.0, 300.0, 40_000)
    frequency = rng.poisson(age / 100.0)
    recency = np.where(frequency > 0, age * rng.uniform(0.2, 1.0, len(age)), 0.0)
    fit = one_blas_thread(lambda: BetaGeometric().fit(frequency, recency, age).params_)
    made = []
    for number in (1, 2):
        with threadpool_limits(number, user_api="blas"):
            made.append(fit())
    assert made[0] == made[1]


def test_calls_that_overlap_share_the_limit():
    first, second = Event(), Event()

    @one_blas_thread
    def outer():
        first.set()
        second.wait(10)
        return threads()

    @one_blas_thread
    def inner():
        first.wait(10)
        return threads()

    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(2) as pool:
        held = pool.submit(outer)
        assert pool.submit(inner).result() == {1}
        # The one that ended has not lifted the limit of the other.
        second.set()
        assert held.result() == {1}
        assert threads() == {2}


@pytest.mark.parametrize(
    "function", [fit_customer_model, CustomerModel.predict, fit_contract_model, ContractModel.predict]
)
def test_what_fits_and_predicts_is_under_the_limit(function):
    assert "one_blas_thread" in function.__code__.co_qualname
