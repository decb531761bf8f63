"""What is left of an error in a sentence for people."""

import pytest

from appliance.inference.children import child, last_words, plain, run_child


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph: [ONNXRuntimeError] : 10 : "
            "INVALID_GRAPH : Load model from /a/b.onnx failed:This is an invalid model.",
            "This is an invalid model.",
        ),
        ("ValueError: it takes 2 inputs", "it takes 2 inputs"),
        ("no kernel for this: Conv", "no kernel for this: Conv"),
        ("Check failed at src/plugins/node.cpp:52: dim 0", "Check failed at : dim 0"),
    ],
)
def test_an_error_is_told_without_what_only_its_makers_know(error: str, said: str) -> None:
    assert plain(error) == said


def test_a_child_that_fails_has_the_last_word() -> None:
    done = run_child(child("no_such_program"), "{}", 60)
    assert done.returncode == 1
    assert last_words(done).endswith("No module named appliance.inference.no_such_program")
