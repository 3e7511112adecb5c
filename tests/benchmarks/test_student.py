"""The benchmark of students: what it teaches otherwise are settings that there are."""

from dataclasses import replace
from typing import get_args

from disc.settings.distillation import Student


def test_ways_to_teach_are_settings_of_a_student_and_all_differ(load):
    student = load("student")
    assert set(student.OTHERWISE) < set(get_args(student.Teaching))
    usual = Student(discriminator_weight=0.1)
    made = [replace(usual, **fields) for fields in student.OTHERWISE.values()]
    assert len({usual, *made}) == 1 + len(made)


def test_students_are_named_by_what_they_are_taught_on_and_how_long(load):
    student = load("student")
    options = student.Options(
        runs=(), bundles=(200, 600), teachings=("no-discriminator",), long_teachings=("noisiest",)
    )
    names = [kind.name for kind in student.list_kinds(options)]
    ways = ("paired 200", "paired 600", "no-discriminator 600")
    assert names == [*(f"{way}, 400 steps" for way in ways), "noisiest 600, 1421 steps"]
    short = replace(options, long_steps=0)
    assert len(student.list_kinds(short)) == 3
