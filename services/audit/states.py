"""What a state on the topic says, in the form of the audit's own conclusion: comparable field by field."""

from dataclasses import fields
from typing import Any, Final

import msgspec

from schemas.state import Dossier
from services.audit.fold import Conclusion

FIELDS: Final = tuple(field.name for field in fields(Conclusion))


def of_state(state: Dossier) -> Conclusion:
    """The state's fields; what is a list of parts becomes plain tuples."""
    values: dict[str, Any] = {name: getattr(state, name) for name in FIELDS}
    for name in ("flows", "pauses", "due_changes"):
        values[name] = [tuple(getattr(part, each) for each in part.__struct_fields__) for part in values[name]]
    values["anomalies"] = sorted((anomaly.identity, anomaly.code) for anomaly in state.anomalies)
    return Conclusion(**values)


def plain(conclusion: Conclusion) -> dict[str, Any]:
    """The fields as JSON has them."""
    fields_: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(conclusion))
    return fields_
