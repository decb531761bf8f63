"""Values by number."""

from appliance.engine.wiring import ABSENT, FRAME_SLOT, MOMENT_SLOT, Wiring


def test_a_name_has_one_number_and_a_constant_its_own() -> None:
    wiring = Wiring()
    first = wiring.slot("steps.a.x")
    assert wiring.slot("steps.a.x") == first
    assert len({wiring.constant(5), wiring.constant(5), first, FRAME_SLOT, MOMENT_SLOT}) == 5


def test_the_frame_and_the_moment_have_the_first_numbers() -> None:
    wiring = Wiring()
    assert (wiring.slot("frame"), wiring.slot("moment")) == (FRAME_SLOT, MOMENT_SLOT)
    assert wiring.template({}) == [ABSENT, ABSENT]


def test_a_template_holds_constants_and_what_is_given_for_names_in_use() -> None:
    wiring = Wiring()
    five, number = wiring.constant(5), wiring.slot("inputs.a")
    other = wiring.slot("steps.a.x")
    slots = wiring.template({"inputs.a": 7, "inputs.unused": 8})
    assert (slots[five], slots[number], slots[other]) == (5, 7, ABSENT)
    slots[five] = "changed"
    assert wiring.template({})[five] == 5


def test_the_names_under_a_root_are_those_in_use() -> None:
    wiring = Wiring()
    camera, image = wiring.slot("frame.camera"), wiring.slot("inputs.image")
    assert wiring.named("frame") == {"camera": camera}
    assert wiring.named("inputs") == {"image": image}
