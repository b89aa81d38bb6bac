
# What follows is not generated: names of outputs and climates, by the configuration, or for who may not read that by the daemon.
function __fish_twind_names
    set -l names (sed -n -e 's/^[[:space:]]*\[\(outputs\|climates\)\.\([A-Za-z0-9_-]*\)\].*/\2/p' \
        -e 's/^[[:space:]]*\[climate\].*/climate/p' /etc/twind.toml 2>/dev/null)
    test -n "$names"; or set names (twind status --json 2>/dev/null | \
        sed -n '/^  "\(outputs\|climates\)": {/,/^  }/s/^    "\([A-Za-z0-9_-]*\)": {.*/\1/p')
    printf '%s\n' $names | sort -u
end
complete -c twind -n "__fish_twind_using_subcommand override; and test (count (commandline -opc)) -eq 2" -f -a "(__fish_twind_names)"
complete -c twind -n "__fish_twind_using_subcommand override; and test (count (commandline -opc)) -eq 3" -f -a "on off clear 25% 50% 75%"
complete -c twind -n "__fish_twind_using_subcommand override" -l for -r -f -a "10m 30m 1h 2h 8h 1day"
