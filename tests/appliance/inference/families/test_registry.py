"""All families by their names."""

import pytest

from appliance.inference.families.registry import FAMILIES, family_of


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_found_by_its_name(name: str) -> None:
    family = family_of(name)
    assert family.name == name
    assert family.about


@pytest.mark.parametrize("name", FAMILIES)
def test_no_family_takes_outputs_of_five_axes(name: str) -> None:
    assert family_of(name).mismatch({"x": (1, 2, 3, 4, 5)}, 7)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_form_has_the_size_that_is_asked_for(name: str) -> None:
    assert family_of(name).form((320, 192)).size == (320, 192)


def test_a_name_that_is_nearly_right_is_told() -> None:
    with pytest.raises(ValueError, match="there is no family 'yolos' \\(did you mean 'yolo'"):
        family_of("yolos")


def test_a_name_that_is_like_none_brings_all_of_them() -> None:
    with pytest.raises(ValueError, match="there are ssd, yolo, "):
        family_of("zzz")
