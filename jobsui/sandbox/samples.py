"""Three objects as an operations team has them. Together they have every type of
field."""

from jobsui.sandbox.protocol import JsonObject


def options(**names: str) -> list[JsonObject]:
    return [{"value": value, "name": name} for value, name in names.items()]


CONTRACT: JsonObject = {
    "key": "contract",
    "title": "Contract",
    "title_pluralized": "Contracts",
    "description": "Service and leasing contracts",
    "name": {
        "autoincrement_enabled": True,
        "autoincrement_prefix": "CON-",
        "autoincrement_padding": 5,
    },
    "fields": [
        {"key": "supplier", "title": "Supplier", "type": "text", "required": True},
        {
            "key": "kind",
            "title": "Kind",
            "type": "dropdown",
            "required": True,
            "custom_field_options": options(
                lease="Lease", maintenance="Maintenance", insurance="Insurance"
            ),
        },
        {"key": "starts_on", "title": "Starts on", "type": "date", "required": True},
        {"key": "ends_on", "title": "Ends on", "type": "date"},
        {
            "key": "yearly_cost",
            "title": "Yearly cost",
            "type": "currency",
            "properties": {"allowed_currencies": ["EUR"]},
        },
        {
            "key": "renews",
            "title": "Renews by itself",
            "type": "checkbox",
            "tag": "contract_renews",
        },
        {"key": "notice_days", "title": "Notice period in days", "type": "integer"},
        {"key": "terms", "title": "Terms", "type": "textarea"},
        {
            "key": "vehicle_count",
            "title": "Vehicles",
            "type": "integer",
            "properties": {
                "rollup_aggregation_type": "COUNT",
                "rollup_child_object": "zen:custom_object:vehicle",
                "rollup_aggregated_field": None,
                "rollup_filter_criteria": None,
            },
        },
    ],
}

ASSET: JsonObject = {
    "key": "asset",
    "title": "Asset",
    "title_pluralized": "Assets",
    "description": "Equipment we own, where it is and who has it",
    "name": {},
    "fields": [
        {
            "key": "serial_number",
            "title": "Serial number",
            "type": "regexp",
            "required": True,
            "regexp_for_validation": "^[A-Z]{2}-[0-9]{6}$",
            "description": "Two letters, a dash, six digits",
        },
        {"key": "model", "title": "Model", "type": "text"},
        {"key": "notes", "title": "Notes", "type": "textarea"},
        {
            "key": "status",
            "title": "Status",
            "type": "dropdown",
            "required": True,
            "custom_field_options": options(
                in_use="In use",
                in_stock="In stock",
                in_repair="In repair",
                retired="Retired",
            ),
        },
        {
            "key": "features",
            "title": "Features",
            "type": "multiselect",
            "custom_field_options": options(
                wifi="Wi-Fi",
                touch="Touch screen",
                battery="Battery",
                gps="GPS",
                rugged="Rugged case",
            ),
        },
        {"key": "purchased_on", "title": "Purchased on", "type": "date"},
        {"key": "warranty_months", "title": "Warranty in months", "type": "integer"},
        {"key": "weight_kg", "title": "Weight in kg", "type": "decimal"},
        {
            "key": "price",
            "title": "Price",
            "type": "currency",
            "properties": {"allowed_currencies": ["EUR"]},
        },
        {
            "key": "insured",
            "title": "Insured",
            "type": "checkbox",
            "tag": "asset_insured",
        },
        {
            "key": "contract",
            "title": "Contract",
            "type": "lookup",
            "relationship_target_type": "zen:custom_object:contract",
        },
        {
            "key": "holder",
            "title": "Holder",
            "type": "lookup",
            "relationship_target_type": "zen:user",
        },
    ],
}

VEHICLE: JsonObject = {
    "key": "vehicle",
    "title": "Vehicle",
    "title_pluralized": "Vehicles",
    "description": "The fleet, by registration plate",
    "name": {"is_unique": True},
    "fields": [
        {
            "key": "contract",
            "title": "Contract",
            "type": "parent",
            "relationship_target_type": "zen:custom_object:contract",
        },
        {"key": "make", "title": "Make", "type": "text", "required": True},
        {
            "key": "vin",
            "title": "VIN",
            "type": "regexp",
            "regexp_for_validation": "^[A-HJ-NPR-Z0-9]{17}$",
        },
        {
            "key": "fuel",
            "title": "Fuel",
            "type": "dropdown",
            "custom_field_options": options(
                electric="Electric", diesel="Diesel", petrol="Petrol", hybrid="Hybrid"
            ),
        },
        {"key": "seats", "title": "Seats", "type": "integer"},
        {"key": "mileage_km", "title": "Mileage in km", "type": "decimal"},
        {"key": "inspected_on", "title": "Inspected on", "type": "date"},
        {
            "key": "equipment",
            "title": "Equipment",
            "type": "multiselect",
            "custom_field_options": options(
                tow_bar="Tow bar",
                roof_rack="Roof rack",
                winter_tyres="Winter tyres",
                dash_cam="Dash cam",
            ),
        },
        {"key": "pool", "title": "Pool car", "type": "checkbox", "tag": "pool_car"},
        {"key": "remarks", "title": "Remarks", "type": "textarea"},
    ],
}

SAMPLES = [CONTRACT, ASSET, VEHICLE]


def contract(
    external_id: str, supplier: str, kind: str, starts_on: str, yearly_cost: float
) -> JsonObject:
    fields = {
        "supplier": supplier,
        "kind": kind,
        "starts_on": starts_on,
        "yearly_cost": yearly_cost,
        "renews": True,
    }
    return {"external_id": external_id, "custom_object_fields": fields}


SAMPLE_RECORDS: dict[str, list[JsonObject]] = {
    "contract": [
        contract("C-1001", "Nordic Leasing", "lease", "2025-01-01", 48_000),
        contract("C-1002", "Alpine Service", "maintenance", "2024-07-01", 9_500.5),
        contract("C-1003", "Harbour Mutual", "insurance", "2026-04-01", 12_750),
    ],
    "asset": [],
    "vehicle": [
        {
            "name": "B-JU 100",
            "external_id": "V-1",
            "custom_object_fields": {
                "contract": "external_id:C-1001",
                "make": "Volvo",
                "fuel": "electric",
                "seats": 5,
                "mileage_km": 18_250.4,
            },
        },
        {
            "name": "B-JU 101",
            "external_id": "V-2",
            "custom_object_fields": {
                "contract": "external_id:C-1001",
                "make": "Renault",
                "fuel": "diesel",
                "equipment": ["tow_bar"],
            },
        },
    ],
}
