# What differs where an emulator runs the programs of another processor's Debian, systemd among them; sourced by nspawn.sh.
# The unit is the package's. The emulator does not support two of its features:
# - Credentials. systemd fills their folder in a child with mounts of its own (clone with CLONE_NEWNS), which the emulator
#   refuses as invalid, so no service with LoadCredential= starts. A drop-in removes that setting and names a folder that
#   this script fills, as systemd would.
# - System call filters. The emulator does not offer them to its programs. systemd notices and silently skips the settings
#   that need them: SystemCallFilter=, SystemCallArchitectures=, RestrictAddressFamilies=, RestrictNamespaces=,
#   RestrictRealtime=, RestrictSUIDSGID=, LockPersonality=, MemoryDenyWriteExecute=. Nothing needs to be removed, but nothing
#   is denied either, so the probe does not test it. The kernel enforces the rest of the sandbox.

probe_options=--without-filters
credentials=/opt/credentials

prepare_root() {
    register_emulator
    install -d "$root$credentials" "$root/etc/systemd/system/twind.service.d"
    printf '[Service]\nLoadCredential=\nEnvironment=CREDENTIALS_DIRECTORY=%s\n' "$credentials" \
        >"$root/etc/systemd/system/twind.service.d/emulated.conf"
}

hand_over_secrets() {
    local secret owner
    owner=$(inside id -u twind)
    for secret in "$root"/etc/twind/*; do
        install -o "$owner" -m 400 "$secret" "$root$credentials/twind_$(basename "$secret")"
    done
}

# left_out CASE: why it is not tried, if it is not: its result is the same on every processor, or the emulator's own.
left_out() {
    case $1 in
    a_secret_that_systemd_encrypted_*) say "the emulator does not support credentials" ;;
    nothing_waits_for_the_network | systemd_knows_* | the_exposure_is_low) say "judges the unit's file" ;;
    a_flood_from_the_hub_*) say "the memory would be the emulator's" ;;
    a_journal_that_hangs_* | a_disk_that_cannot_be_written_* | a_slip_in_the_file_*) say "slow starts, to see what is the same there" ;;
    a_daemon_that_dies_again_and_again_*) say "many slow starts to see systemd count" ;;
    a_first_hour_*) say "the same on every processor" ;;
    *_released_*) say "the emulated Raspberry Pi tries it" ;;
    a_downgrade_* | a_reinstallation_*) say "an upgrade by another name, to the same scripts" ;;
    an_upgrade_to_a_daemon_that_cannot_start_* | a_stopped_service_*) say "judges the scripts" ;;
    a_new_installation_*) say "the stored twin was read at the upgrade, and the rest is the scripts'" ;;
    esac
}
