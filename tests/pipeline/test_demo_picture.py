"""The picture of the README: its columns, their cells, its lines."""

from dataclasses import replace

import numpy as np

from disc.pipeline.demo_picture import arrange, choose_rows, name_columns
from disc.presets import laptop
from disc.report.run_summary import SheetRow


def row(labels, fill=0):
    mask = np.repeat(np.array([labels], np.uint8), 8, 0).repeat(8 // len(labels), 1)
    names = ("real", "reconstruction", "sd", "sd-sc", "sd-sc, end", "sd-sc, step")
    names += ("sd-disc", "sd-disc-cotrain", "sd-disc-fast")
    images = {name: np.full((8, 8, 3), fill + i, np.uint8) for i, name in enumerate(names)}
    return SheetRow(mask=mask, images=images, readings=dict.fromkeys(names, mask))


def test_columns_are_the_plans_the_student_and_what_they_cost():
    columns = list(name_columns(laptop()).values())
    assert columns[3:] == [
        "sd\n10 evaluations",
        "sd-sc, plan end\n10 evaluations a label",
        "sd-sc, plan step\n10 evaluations a label",
        "sd-disc\n10 evaluations",
        "sd-disc-fast\n1 evaluation",
    ]
    run = replace(
        laptop(), distil=replace(laptop().distil, variants=("sd-disc", "sd-disc-cotrain"))
    )
    assert list(name_columns(run).values()) == columns[:-1], "what the run has"


def test_cells_stand_under_their_own_headings():
    (line,) = arrange([row([0, 1])], name_columns(laptop()))
    assert [cell.heading for cell in line] == list(name_columns(laptop()).values())
    assert [int(cell.pixels[0, 0, 0]) for cell in line if not cell.is_mask] == [0, 1, 2, 4, 5, 6, 8]
    assert [cell.is_mask for cell in line].index(True) == 1


def test_one_line_for_every_set_of_labels():
    rows = [row([0, 1]), row([1, 0], fill=50), row([0, 2]), row([1, 3]), row([2, 3]), row([0, 3])]
    assert choose_rows(rows) == [rows[0], *rows[2:5]]
