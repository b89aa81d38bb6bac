
# What follows is not generated: names of outputs and climates, their settings, and durations.

# By the configuration, or for who may not read that by the daemon.
_twind_names() {
    local config=/etc/twind.toml index names
    for ((index = 1; index < COMP_CWORD; index++)); do
        [[ ${COMP_WORDS[index]} != --config ]] || config=${COMP_WORDS[index + 1]}
    done
    names=$(sed -n -e 's/^[[:space:]]*\[\(outputs\|climates\)\.\([A-Za-z0-9_-]*\)\].*/\2/p' \
        -e 's/^[[:space:]]*\[climate\].*/climate/p' "$config" 2>/dev/null)
    [[ -n $names ]] || names=$(twind status --json --config "$config" 2>/dev/null |
        sed -n '/^  "\(outputs\|climates\)": {/,/^  }/s/^    "\([A-Za-z0-9_-]*\)": {.*/\1/p')
    printf '%s\n' "$names" | sort -u
}

_twind_override() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' places=0 index words=
    for ((index = 1; index < COMP_CWORD; index++)); do
        case ${COMP_WORDS[index]} in
            --config | --for) index=$((index + 1)) ;;
            -*) ;;
            *)
                [[ -z $command ]] || places=$((places + 1))
                [[ -n $command ]] || command=${COMP_WORDS[index]}
                ;;
        esac
    done
    if [[ $command == override && $cur != -* && $prev != --config ]]; then
        case $prev,$places in
            --for,*) words="10m 30m 1h 2h 8h 1day" ;;
            *,0) words=$(_twind_names) ;;
            *,1) words="on off clear 25% 50% 75%" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        return 0
    fi
    _twind "$@"
}

complete -F _twind_override -o bashdefault -o default twind
