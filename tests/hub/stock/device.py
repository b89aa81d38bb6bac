"""A device on the stock Python SDK: gets its twin, sends a message, reports each desired change, answers the method "echo".

    python3 device.py DEVICE_CONNECTION_STRING CA_FILE [websockets]

Runs until it is killed. Exit code 1 if anything fails.
"""

import sys
import threading

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse


def main():
    with open(sys.argv[2], encoding="utf-8") as ca_file:
        authority = ca_file.read()
    client = IoTHubDeviceClient.create_from_connection_string(
        sys.argv[1], server_verification_cert=authority, websockets="websockets" in sys.argv[3:]
    )
    work = threading.Condition()
    wanted = []

    def on_desired(patch):
        with work:
            wanted.append(patch)
            work.notify()

    def on_method(request):
        client.send_method_response(MethodResponse.create_from_method_request(request, 200, {"echo": request.payload}))

    # Set before connecting: the SDK then asks for the twin before it has subscribed to the answers.
    client.on_twin_desired_properties_patch_received = on_desired
    client.on_method_request_received = on_method
    client.connect()
    twin = client.get_twin()
    print(f"twin received: {twin}", flush=True)
    client.patch_twin_reported_properties({"started": True, "desiredVersion": twin["desired"]["$version"]})
    print("reported", flush=True)
    message = Message('{"temperature": 21.5}', message_id="python-1")
    message.content_type, message.content_encoding = "application/json", "utf-8"
    message.custom_properties["alarm"] = "door & roof"
    client.send_message(message)
    print("telemetry acknowledged", flush=True)
    while True:
        with work:
            while not wanted:
                work.wait()
            patch = wanted.pop(0)
        version = patch.pop("$version")
        print(f"desired: {patch}", flush=True)
        client.patch_twin_reported_properties({"applied": patch, "desiredVersion": version})


main()
