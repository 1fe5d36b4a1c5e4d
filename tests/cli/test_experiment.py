"""clvml experiment, end to end on a small shop: what is printed, written and refused."""

import json
import shutil

import yaml

KEYS = {
    "question": "Is a base worth it?",
    "config": "shop.yaml",
    "data": "orders.csv",
    "folds": 2,
    "variants": {"as it is": None, "from nothing": {"model.base": "none"}},
}


def test_an_experiment_is_run_written_not_run_again_and_held_against_the_champion(run, shop, tmp_path):
    shutil.copy(shop.folder / "mlflow.db", tmp_path)
    (tmp_path / "shop.yaml").write_text(shop.config.read_text())
    (tmp_path / "001-base.yaml").write_text(yaml.safe_dump(KEYS, sort_keys=False))
    options = ("001-base.yaml", "--data", str(shop.log), "--set", "model.n_estimators=5")
    code, out, err = run("experiment", *options)
    assert code == 0, err
    assert "from nothing: testing as of 2024-0" in run.progress
    page = (tmp_path / "001-base.md").read_bytes()
    assert (tmp_path / "images" / "001-base.png").read_bytes().startswith(b"\x89PNG")
    # The wording of the page is that of the terminal, which breaks lines.
    assert (
        page.decode().partition("**Answer.** ")[2].partition("\n")[0].split()
        == out.partition("Variant")[0].split()
    )
    assert f"--data {shop.log} --set model.n_estimators=5`" in page.decode()
    assert "| *BTYD* |" in page.decode()

    code, out, err = run("experiment", *options, "--json")
    assert code == 0, err
    assert "2 of 2 variants were finished before" in run.progress
    assert (tmp_path / "001-base.md").read_bytes() == page
    summary = json.loads(out)
    assert summary["run_now"] == 0
    assert [variant["name"] for variant in summary["variants"]] == ["as it is", "from nothing"]
    assert summary["variants"][0]["gain"] is None
    assert summary["variants"][1]["gain"]["verdict"] in ("better", "worse", "no clear difference")
    assert summary["experiment"] == "clvml/001-base"

    code, out, err = run("compare", "--experiment", "clvml/001-base", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["champion"]["version"] == "1"
    compared = {one["run"]["name"]: one for one in found["runs"]}
    assert sorted(compared) == ["as it is", "from nothing"], "the parent run is none of them"
    fewer = {"model.n_estimators": ["5", "20"]}
    assert compared["as it is"]["settings"] == fewer
    assert compared["from nothing"]["settings"] == {"model.base": ["none", "blend"]} | fewer
    assert len(compared["as it is"]["differences"]) > 5


def test_bad_input_leaves_nothing(run, tmp_path):
    (tmp_path / "001-base.yaml").write_text(yaml.safe_dump(KEYS | {"folds": 1}))
    before = sorted(tmp_path.rglob("*"))
    for arguments, message in (
        (["none.yaml"], "Error: experiment 'none.yaml' does not exist; give an existing YAML file\n"),
        (["001-base.yaml"], "Error: experiment '001-base.yaml' has 1 problem:\n  - 'folds' must be"),
    ):
        code, out, err = run("experiment", *arguments)
        assert (code, out) == (2, "")
        assert err.startswith(message)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_store_that_cannot_be_used_is_said_before_anything_is_trained(run, shop, tmp_path, monkeypatch):
    (tmp_path / "shop.yaml").write_text(shop.config.read_text())
    (tmp_path / "001-base.yaml").write_text(yaml.safe_dump(KEYS))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    code, out, err = run("experiment", "001-base.yaml", "--data", str(shop.log))
    assert (code, out) == (2, "")
    assert "MLflow server 'http://127.0.0.1:9' cannot be reached" in err
    assert "testing" not in run.progress
    assert not (tmp_path / "001-base.md").exists()
