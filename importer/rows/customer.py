"""The customer as Moment takes it: a strict pydantic model of the body of ``POST``.

Every rule is one of the API page (``POST /billing/customers``); what the page calls ``email`` is
RFC 5321 section 4.1.2 ``Mailbox``, restricted to a Dot-string local part and a domain of at least
two labels. Nothing is converted, except that 12.0 is the integer 12, as JSON Schema means it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from importer.rows.api_limits import (
    EMAIL_PATTERN,
    MAX_EMAIL,
    MAX_EMAIL_LOCAL,
    MAX_METADATA_KEY,
    MAX_METADATA_KEYS,
    MAX_METADATA_VALUE,
    MAX_NAME,
    MAX_REFERENCE,
    PHONE_PATTERN,
    REFERENCE_PATTERN,
)
from importer.rows.currencies import ACTIVE

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler


def _whole(value: object) -> object:
    # JSON has one number type: 12.0 is an integer (JSON Schema core, section 4.2.1).
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _local_part_fits(address: str) -> str:
    if address.index("@") > MAX_EMAIL_LOCAL:
        raise PydanticCustomError("email_local_too_long", "The part before @ is too long")
    return address


def _not_null(source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    # A field may be absent, which the model shows as None; null itself is no value.
    schema = handler(source)
    return schema["schema"] if schema["type"] == "nullable" else schema


def _active_code(_: Any, __: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    return core_schema.literal_schema(sorted(ACTIVE))


def _as_json_schema(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)
    schema["description"] = "The body of POST /billing/customers."
    schema["dependentRequired"] = {"balance": ["currency"]}


Reference = Annotated[
    str, StringConstraints(strict=True, max_length=MAX_REFERENCE, pattern=REFERENCE_PATTERN)
]
Name = Annotated[str, StringConstraints(strict=True, max_length=MAX_NAME)]
Email = Annotated[
    str,
    StringConstraints(strict=True, max_length=MAX_EMAIL, pattern=EMAIL_PATTERN),
    AfterValidator(_local_part_fits),
    Field(json_schema_extra={"format": "email"}),
]
Phone = Annotated[str, StringConstraints(strict=True, pattern=PHONE_PATTERN)]
Currency = Annotated[str, GetPydanticSchema(_active_code)]
Balance = Annotated[int, Field(strict=True), BeforeValidator(_whole)]
MetadataKey = Annotated[str, StringConstraints(strict=True, max_length=MAX_METADATA_KEY)]
MetadataValue = Annotated[str, StringConstraints(strict=True, max_length=MAX_METADATA_VALUE)]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue], Field(strict=True, max_length=MAX_METADATA_KEYS)
]
_NOT_NULL = GetPydanticSchema(_not_null)


class Customer(BaseModel):
    """The body of ``POST /billing/customers``. None stands for an absent field, never for null.

    Raises:
        pydantic.ValidationError: a rule is broken; ``problems.problems_of`` says which, and how.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra=_as_json_schema,
        title="Customer",
    )

    external_reference: Reference
    name: Annotated[Name | None, _NOT_NULL] = None
    email: Annotated[Email | None, _NOT_NULL] = None
    phone: Annotated[Phone | None, _NOT_NULL] = None
    currency: Annotated[Currency | None, _NOT_NULL] = None
    balance: Annotated[Balance | None, _NOT_NULL] = None
    """In the smallest unit of the currency: positive is owed, negative is credit."""
    metadata: Annotated[Metadata | None, _NOT_NULL] = None

    @model_validator(mode="after")
    def _balance_needs_currency(self) -> Self:
        if self.balance is not None and self.currency is None:
            raise PydanticCustomError("currency_missing", "A balance needs a currency")
        return self


VALIDATOR = Customer.__pydantic_validator__
"""The prebuilt validator: ``VALIDATOR.validate_python(payload)`` judges one payload."""
