"""Labels that a model knows, or not."""

import pytest

from blocks.models.labels import known_labels

KNOWN = ("person", "car", "dog")


def test_labels_are_given_by_their_numbers() -> None:
    assert known_labels("yard", ["dog", "person"], KNOWN).tolist() == [2, 0]


def test_no_labels_are_no_numbers() -> None:
    assert known_labels("yard", [], KNOWN).tolist() == []


def test_a_label_that_is_nearly_right_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"the model yard knows no label 'cat' \(did you mean 'car"
    ):
        known_labels("yard", ["cat"], KNOWN)


def test_a_label_in_another_case_is_named_as_the_model_has_it() -> None:
    with pytest.raises(ValueError, match=r"no label 'PERSON' \(did you mean 'Person'\?\)"):
        known_labels("yard", ["PERSON"], ("Person", "Car"))


def test_of_long_labels_only_some_are_named() -> None:
    long = [f"a label with many words in it, number {i}" for i in range(1000)]
    with pytest.raises(ValueError, match=r"number 4 and 995 more\)") as refusal:
        known_labels("yard", ["zebra"], long)
    assert len(str(refusal.value)) < 300


def test_of_few_labels_all_are_named_and_of_many_the_first() -> None:
    with pytest.raises(ValueError, match=r"\(it knows person, car, dog\)"):
        known_labels("yard", ["zebra"], KNOWN)
    with pytest.raises(ValueError, match=r"n18, n19 and 980 more\)"):
        known_labels("yard", ["zebra"], [f"n{i}" for i in range(1000)])
