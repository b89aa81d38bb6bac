# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_twind_global_optspecs
    string join \n config= h/help V/version
end

function __fish_twind_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_twind_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_twind_using_subcommand
    set -l cmd (__fish_twind_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c twind -n "__fish_twind_needs_command" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_needs_command" -s h -l help -d 'Print help'
complete -c twind -n "__fish_twind_needs_command" -s V -l version -d 'Print version'
complete -c twind -n "__fish_twind_needs_command" -f -a "run" -d 'The daemon, in the foreground'
complete -c twind -n "__fish_twind_needs_command" -f -a "init" -d 'Looks at this machine and writes a commented starting configuration for it'
complete -c twind -n "__fish_twind_needs_command" -f -a "check" -d 'Reads the configuration as the daemon would and prints every fault with its line'
complete -c twind -n "__fish_twind_needs_command" -f -a "status" -d 'What the running daemon is doing'
complete -c twind -n "__fish_twind_needs_command" -f -a "watch" -d 'The same live, with each climate over the last hour; q ends, ? shows the keys'
complete -c twind -n "__fish_twind_needs_command" -f -a "override" -d 'Overrides an output or the range of a climate for a limited time'
complete -c twind -n "__fish_twind_needs_command" -f -a "reload" -d 'Has the running daemon read its configuration again'
complete -c twind -n "__fish_twind_needs_command" -f -a "report" -d 'Writes one archive for support: status, configuration, twin, log and checks, without secrets'
complete -c twind -n "__fish_twind_needs_command" -f -a "twin" -d 'The local copy of the twin, from the daemon if it runs'
complete -c twind -n "__fish_twind_needs_command" -f -a "model" -d 'The model of this site\'s twin in DTDL, made from the configuration, for IoT Plug and Play'
complete -c twind -n "__fish_twind_needs_command" -f -a "safe" -d 'With no daemon running: drives every output to its stop row, or its crash row'
complete -c twind -n "__fish_twind_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c twind -n "__fish_twind_using_subcommand run" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c twind -n "__fish_twind_using_subcommand init" -l output -d 'Where to write it; the default is standard output' -r -F
complete -c twind -n "__fish_twind_using_subcommand init" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c twind -n "__fish_twind_using_subcommand check" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_using_subcommand check" -l hardware -d 'Also open the board and read each sensor once'
complete -c twind -n "__fish_twind_using_subcommand check" -l hub -d 'Also walk the way to the hub, from its name to the twin, while the daemon is stopped'
complete -c twind -n "__fish_twind_using_subcommand check" -l json -d 'As JSON, for programs'
complete -c twind -n "__fish_twind_using_subcommand check" -s h -l help -d 'Print help'
complete -c twind -n "__fish_twind_using_subcommand status" -l changes -d 'How many recent changes of outputs to show (5, with --json 20, at most 1000)' -r -f
complete -c twind -n "__fish_twind_using_subcommand status" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_using_subcommand status" -l json -d 'As JSON'
complete -c twind -n "__fish_twind_using_subcommand status" -l openmetrics -d 'As OpenMetrics text, for Prometheus'
complete -c twind -n "__fish_twind_using_subcommand status" -s h -l help -d 'Print help'
complete -c twind -n "__fish_twind_using_subcommand watch" -l changes -d 'How many recent changes of outputs to show (5, at most 1000)' -r -f
complete -c twind -n "__fish_twind_using_subcommand watch" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c twind -n "__fish_twind_using_subcommand override" -l for -d 'For how long, such as `30m` or `1h 30m`; at most 7 days' -r -f
complete -c twind -n "__fish_twind_using_subcommand override" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_using_subcommand override" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c twind -n "__fish_twind_using_subcommand reload" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c twind -n "__fish_twind_using_subcommand report" -l output -d 'The archive, which must not be there yet (twind-report-HOST-DATE.tar.gz in this folder)' -r -F
complete -c twind -n "__fish_twind_using_subcommand report" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c twind -n "__fish_twind_using_subcommand twin" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_using_subcommand twin" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c twind -n "__fish_twind_using_subcommand model" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_using_subcommand model" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c twind -n "__fish_twind_using_subcommand safe" -l config -d 'The configuration file' -r -F
complete -c twind -n "__fish_twind_using_subcommand safe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "run" -d 'The daemon, in the foreground'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "init" -d 'Looks at this machine and writes a commented starting configuration for it'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "check" -d 'Reads the configuration as the daemon would and prints every fault with its line'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "status" -d 'What the running daemon is doing'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "watch" -d 'The same live, with each climate over the last hour; q ends, ? shows the keys'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "override" -d 'Overrides an output or the range of a climate for a limited time'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "reload" -d 'Has the running daemon read its configuration again'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "report" -d 'Writes one archive for support: status, configuration, twin, log and checks, without secrets'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "twin" -d 'The local copy of the twin, from the daemon if it runs'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "model" -d 'The model of this site\'s twin in DTDL, made from the configuration, for IoT Plug and Play'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "safe" -d 'With no daemon running: drives every output to its stop row, or its crash row'
complete -c twind -n "__fish_twind_using_subcommand help; and not __fish_seen_subcommand_from run init check status watch override reload report twin model safe help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'

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
