"""What importing the package and scoring load: neither pictures nor servers unless they are used."""

import json
import subprocess
import sys

import pytest

HEAVY = ("matplotlib", "mlflow", "optuna", "pyspark", "requests", "shap", "sqlalchemy")


def loaded(code: str) -> set[str]:
    """Return the first names of all modules that a fresh Python holds after ``code``."""
    report = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], check=True, capture_output=True)
    return set(json.loads(done.stdout))


def test_importing_the_package_loads_nothing_large():
    assert not loaded("import clvml; dir(clvml)") & {
        *HEAVY,
        "pandas",
        "numpy",
        "duckdb",
        "pydantic",
        "xgboost",
    }


@pytest.mark.parametrize("code", ["import clvml; clvml.CustomerModel, clvml.read_log, clvml.load"])
def test_the_facade_loads_neither_pictures_nor_servers(code):
    assert not loaded(code) & set(HEAVY)


def test_threads_are_set_up_and_the_environment_is_left_alone():
    code = "import os; from clvml.threads import WAIT; [os.environ.pop(name, None) for name in WAIT]; import clvml"
    inside = "with threads.passive_threads(): assert threads.WAIT.items() <= os.environ.items()"
    loaded(f"import os; from clvml import threads\n{inside}")
    loaded(f"{code}; clvml.read_log; assert not WAIT.keys() & os.environ.keys()")


def test_what_the_package_does_not_have_is_an_attribute_error():
    import clvml

    assert set(clvml.__all__) <= set(dir(clvml))
    assert clvml.__version__
    with pytest.raises(AttributeError, match="module 'clvml' has no attribute 'scorer'"):
        _ = clvml.scorer
