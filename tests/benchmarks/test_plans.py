"""Runs that lack a variant are compared in what they have."""


def test_plans_are_of_what_every_run_has_trained(load, tmp_path, capsys):
    plans = load("plans")
    for run, names in {"a": ("sd", "sd-disc"), "b": ("sd",)}.items():
        for name in names:
            folder = tmp_path / run / "denoiser" / name
            folder.mkdir(parents=True)
            (folder / "done.json").touch()
    assert plans.list_trained([tmp_path / "a", tmp_path / "b"]) == ["sd"]
    assert f"sd-disc: not trained in {tmp_path / 'b'}; left out" in capsys.readouterr().out
    assert plans.list_trained([tmp_path / "a"]) == ["sd", "sd-disc"]
