"""The cameras, for their own tests."""

from tests.cameras.camera import rtsp_camera, rtsp_server

__all__ = ["rtsp_camera", "rtsp_server"]
