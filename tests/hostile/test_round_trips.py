"""Values of all declared types survive a round trip in both formats."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from altcraft.codecs import default_registry
from altcraft.testing.codec_samples import SAMPLES
from hostile import TYPES, codec_named
from hostile.strategies import Format, structs, values

STRUCTS = [type_ for type_ in (*TYPES, SAMPLES[-1].type) if type_ is not object]
PATIENT = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],  # the phase that explains takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)

both_formats = pytest.mark.parametrize("format_", ["json", "xml"])
SHARED = {codec.name: codec for codec in default_registry()}  # shared by all tests, as in a client


@pytest.mark.slow
@both_formats
@pytest.mark.parametrize("type_", STRUCTS, ids=str)
@given(data=st.data())
@settings(PATIENT, max_examples=settings.default.max_examples // 4)
def test_a_value_of_a_declared_type_survives_a_round_trip(type_: type, format_: Format, data: st.DataObject) -> None:
    value = data.draw(values(type_, format_))
    written = SHARED[format_].encode(value)
    assert SHARED[format_].decode(written, type_) == value, written


@pytest.mark.slow
@both_formats
@given(data=st.data())
@settings(PATIENT, max_examples=settings.default.max_examples)
def test_a_value_of_a_type_that_a_user_declares_survives_a_round_trip(format_: Format, data: st.DataObject) -> None:
    type_ = data.draw(structs())
    codec = codec_named(format_)
    for _ in range(3):  # several times, since the codec learns
        value = data.draw(values(type_, format_))
        written = codec.encode(value)
        assert codec.decode(written, type_) == value, written


@pytest.mark.slow
@given(data=st.data())
@settings(PATIENT, max_examples=settings.default.max_examples)
def test_what_was_read_from_one_format_is_written_in_the_other(data: st.DataObject) -> None:
    type_ = data.draw(st.sampled_from(STRUCTS))
    value = data.draw(values(type_, "xml"))
    through_json = SHARED["json"].decode(SHARED["json"].encode(value), type_)
    assert SHARED["xml"].decode(SHARED["xml"].encode(through_json), type_) == value
