"""A Triton of yours, where there is one: TRITON_URL is its address, TRITON_MODEL a model on it.

    TRITON_URL=http://127.0.0.1:8000 TRITON_MODEL=double pytest tests/system/test_triton.py

The model takes one tensor. Without an address there is nothing to test here.
"""

import os

import numpy as np

from appliance.clock import SystemClock
from appliance.inference.remote import RemoteSession
from appliance.inference.remote_address import Remote
from appliance.inference.remote_model import RemoteModel

URL = os.environ.get("TRITON_URL", "")

if URL:

    def test_its_model_answers_the_same_in_bytes_and_in_json() -> None:
        clock = SystemClock()
        remote = Remote(url=URL, model=os.environ.get("TRITON_MODEL", "double"), timeout_s=30.0)
        session = RemoteSession("triton", remote, clock)
        shape = [1 if isinstance(axis, str) else axis for axis in session.input_shape]
        kind = np.uint8 if session.input_type == "tensor(uint8)" else np.float32
        tensor = (np.random.default_rng(0).random(shape) * 100).astype(kind)
        found = session.run(tensor)
        assert (session.tensors, session.state) == ("binary", "online")
        session.close()

        model = RemoteModel(remote, clock)
        known = model.describe(clock.monotonic() + 30.0)
        model.take_json()
        again = model.infer(tensor, known, clock.monotonic() + 30.0)
        model.close()
        assert set(found) == set(session.output_shapes) == set(again)
        assert all(np.allclose(found[name], again[name], equal_nan=True) for name in found)
