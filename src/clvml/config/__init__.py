"""The configuration: one YAML file, every key typed, unknown keys refused.

The only keys without a default are ``data.source``, the three mapped columns and
``windows.horizon_days``. ``docs/configuration.md`` is generated from the field descriptions.
"""

from clvml.config.base_section import Section
from clvml.config.data import AttributesConfig, ColumnsConfig, DataConfig, Preset, PresetName, read_preset
from clvml.config.identity_keys import IdentityConfig, KeysConfig
from clvml.config.loading import (
    assign,
    overridden,
    parse_any_config,
    parse_config,
    parse_keys,
    read_any_config,
    read_config,
    read_keys,
    section_in,
)
from clvml.config.settings import (
    PRIOR,
    SEGMENTS,
    Config,
    Group,
    ModelConfig,
    SparkConfig,
    TrackingConfig,
    ValueConfig,
    WindowsConfig,
)
from clvml.config.subscription_settings import AnyConfig, SubscriptionConfig, SubscriptionData
