"""A device on the stock Python SDK that asks the provisioning service for its hub, connects there and reports.

    python3 provision.py ENDPOINT ID_SCOPE REGISTRATION_ID KEY CA_FILE [websockets]

Exit code 0 once the report is acknowledged.
"""

import sys

from azure.iot.device import IoTHubDeviceClient, ProvisioningDeviceClient


def main():
    endpoint, scope, registration, key, ca_path = sys.argv[1:6]
    with open(ca_path, encoding="utf-8") as ca_file:
        authority = ca_file.read()
    manner = {"server_verification_cert": authority, "websockets": "websockets" in sys.argv[6:]}
    service = ProvisioningDeviceClient.create_from_symmetric_key(
        provisioning_host=endpoint, registration_id=registration, id_scope=scope, symmetric_key=key, **manner
    )
    result = service.register()
    state = result.registration_state
    print(f"{result.status}: {state.assigned_hub} {state.device_id}", flush=True)
    client = IoTHubDeviceClient.create_from_symmetric_key(
        symmetric_key=key, hostname=state.assigned_hub, device_id=state.device_id, **manner
    )
    client.connect()
    client.patch_twin_reported_properties({"provisioned": True})
    client.shutdown()
    print("reported", flush=True)


main()
