
# What follows is not generated: names of outputs and climates, their settings, and durations.

# By the configuration, or for who may not read that by the daemon.
function __fish_twind_names
    set -l config /etc/twind.toml
    set -l words (commandline -opc)
    for index in (seq (count $words))
        switch $words[$index]
            case --config
                set -q words[(math $index + 1)]; and set config $words[(math $index + 1)]
            case '--config=*'
                set config (string replace -- --config= '' $words[$index])
        end
    end
    set -l names (sed -n -e 's/^[[:space:]]*\[\(outputs\|climates\)\.\([A-Za-z0-9_-]*\)\].*/\2/p' \
        -e 's/^[[:space:]]*\[climate\].*/climate/p' $config 2>/dev/null)
    test -n "$names"; or set names (twind status --json --config $config 2>/dev/null | \
        sed -n '/^  "\(outputs\|climates\)": {/,/^  }/s/^    "\([A-Za-z0-9_-]*\)": {.*/\1/p')
    printf '%s\n' $names | sort -u
end

# Does a word follow `override` and so many others? Options and what follows them do not count.
function __fish_twind_override_at
    set -l places
    set -l is_value 0
    for word in (commandline -opc)[2..-1]
        if test $is_value = 1
            set is_value 0
        else if contains -- $word --config --for
            set is_value 1
        else if not string match -q -- '-*' $word
            set -a places $word
        end
    end
    test $is_value = 0; and test "$places[1]" = override; and test (count $places) -eq (math $argv[1] + 1)
end
complete -c twind -n "__fish_twind_override_at 0" -f -a "(__fish_twind_names)"
complete -c twind -n "__fish_twind_override_at 1" -f -a "on off clear 25% 50% 75%"
complete -c twind -n "__fish_twind_using_subcommand override" -l for -r -f -a "10m 30m 1h 2h 8h 1day"
