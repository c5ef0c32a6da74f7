#!/usr/bin/env python3
"""What Home Assistant itself makes of `l3net live --mqtt`: devices, entities, states.

    pip install homeassistant==2025.1.4 paho-mqtt==1.6.1 janus psutil-home-assistant 'josepy<2' PyTurboJPEG
    mosquitto -p 1883 &
    l3net live test --mqtt mqtt://127.0.0.1 &
    python3 tests/oracle/home_assistant.py 1883 [SWITCH]

Python 3.13. Runs Home Assistant without its page, with the broker at this port of this
machine, and prints what it knows after ten seconds. SWITCH, such as
switch.test_detect_mute, is then turned off and on again.
"""
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from homeassistant import bootstrap, runner
from homeassistant.helpers import device_registry

ENTRY = {
    "entry_id": "0" * 32, "version": 1, "minor_version": 1, "domain": "mqtt", "title": "mqtt",
    "options": {}, "pref_disable_new_entities": False, "pref_disable_polling": False,
    "source": "user", "unique_id": None, "disabled_by": None,
}  # fmt: skip
# The page is not installed; without this Home Assistant would take that for a failure.
bootstrap.CRITICAL_INTEGRATIONS = set()


def configure(folder: Path, port: int) -> None:
    (folder / ".storage").mkdir()
    (folder / "configuration.yaml").write_text("homeassistant:\n  name: Test\n")
    entry = ENTRY | {"data": {"broker": "127.0.0.1", "port": port, "discovery": True}}
    entries = {"version": 1, "minor_version": 1, "key": "core.config_entries", "data": {"entries": [entry]}}
    (folder / ".storage/core.config_entries").write_text(json.dumps(entries))


async def main(port: int, switch: str | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        configure(Path(name), port)
        config = runner.RuntimeConfig(config_dir=name, skip_pip=True, log_file=f"{name}/log")
        hass = await bootstrap.async_setup_hass(config)
        await hass.async_start()
        await asyncio.sleep(10)
        for device in device_registry.async_get(hass).devices.values():
            print(device.name, device.manufacturer, device.model, device.sw_version)
        for state in hass.states.async_all():
            print(state.entity_id, state.state, state.attributes.get("device_class", ""))
        for service in ("turn_off", "turn_on") if switch else ():
            await hass.services.async_call("switch", service, {"entity_id": switch}, blocking=True)
            await asyncio.sleep(4)
            print(service, hass.states.get(switch).state)
        await hass.async_stop(force=True)


asyncio.run(main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
