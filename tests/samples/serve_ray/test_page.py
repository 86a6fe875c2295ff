from __future__ import annotations

import base64
import hashlib
import re

from samples.serve_ray.page import page


def test_the_page_fetches_nothing_from_elsewhere():
    text = page()[0].decode()
    assert "://" not in text
    assert set(re.findall(r'(?:src|href)="([^"]*)"', text)) == {"data:,"}
    fetched = set(re.findall(r'fetch\("([^"]*)"', text))
    assert fetched == {"v1/model", "v1/predict?top_k=5&overlay=true"}


def test_the_policy_names_the_script_and_the_style_by_hash():
    content, headers = page()
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in (b"script", b"style"):
        (inside,) = re.findall(b"<%s>(.*?)</%s>" % (tag, tag), content, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside).digest()).decode()
        assert f"{tag.decode()}-src 'sha256-{digest}'" in policy


def test_the_page_writes_text_and_never_markup():
    """A label of a model must not become a tag."""
    assert "innerHTML" not in page()[0].decode()
