function __warren_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __warren_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __warren_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __warren_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __warren_parse_tokens -S
    set -l unparsed_tokens (__warren_tokens -pc)
    switch $unparsed_tokens[1]
    case 'warren'
        __warren_parse_subcommand 0 'version' 'h/help'
        switch $unparsed_tokens[1]
        case 'run'
            __warren_parse_subcommand 0 'c/config=+' 'L/listen=+' 'F/forward=+' 'allow=+' 'log-level=' 'version' 'h/help'
        case 'check'
            __warren_parse_subcommand 0 'c/config=+' 'L/listen=+' 'F/forward=+' 'allow=+' 'explain=+' 'user=' 'resolve' 'diff' 'running' 'admin=' 'version' 'h/help'
        case 'demo'
            __warren_parse_subcommand -r 1 'mebibytes=' 'version' 'h/help'
        case 'bench'
            __warren_parse_subcommand 0 'only=+' 'seconds=' 'rounds=' 'json' 'version' 'h/help'
        case 'keygen'
            __warren_parse_subcommand 0 'version' 'h/help'
            switch $unparsed_tokens[1]
            case 'jproxy'
                __warren_parse_subcommand 1 'out=' 'version' 'h/help'
            case 'vproxy'
                __warren_parse_subcommand 1 'shared' 'out=' 'version' 'h/help'
            case 'tls'
                __warren_parse_subcommand 1 'name=+' 'out=' 'version' 'h/help'
            end
        case 'jet'
            __warren_parse_subcommand 0 'version' 'h/help'
            switch $unparsed_tokens[1]
            case 'accept'
                __warren_parse_subcommand 1 'to=' 'association=' 'repeat' 'announce=' 'candidate=' 'tls-ca=' 'log-level=' 'version' 'h/help'
            case 'connect'
                __warren_parse_subcommand 3 'listen=' 'candidate=' 'tls-ca=' 'log-level=' 'version' 'h/help'
            end
        case 'token'
            __warren_parse_subcommand 0 'version' 'h/help'
            switch $unparsed_tokens[1]
            case 'mproxy'
                __warren_parse_subcommand 0 'secret-file=' 'name=+' 'port=+' 'expires=' 'subject=' 'audience=' 'version' 'h/help'
            end
        case 'expose'
            __warren_parse_subcommand 2 'relay=' 'token-file=' 'tls-ca=' 'dialect=' 'log-level=' 'version' 'h/help'
        case 'status'
            __warren_parse_subcommand 0 'c/config=+' 'admin=' 'json' 'watch' 'version' 'h/help'
        case 'reload'
            __warren_parse_subcommand 0 'c/config=+' 'admin=' 'version' 'h/help'
        case 'kill'
            __warren_parse_subcommand 1 'c/config=+' 'admin=' 'version' 'h/help'
        case 'config'
            __warren_parse_subcommand 1 'version' 'h/help'
        case 'import'
            __warren_parse_subcommand 0 'version' 'h/help'
            switch $unparsed_tokens[1]
            case 'vproxy-agent'
                __warren_parse_subcommand 1 'version' 'h/help'
            end
        case 'lab'
            __warren_parse_subcommand 0 'version' 'h/help'
            switch $unparsed_tokens[1]
            case 'udp'
                __warren_parse_subcommand 2 'only=' 'seed=' 'loss=' 'loss-burst=' 'delay=' 'jitter=' 'reorder=' 'duplicate=' 'corrupt=' 'rate=' 'queue=' 'mtu=' 'rebind=' 'blackout=' 'version' 'h/help'
            case 'tcp'
                __warren_parse_subcommand 2 'only=' 'seed=' 'delay=' 'jitter=' 'rate=' 'queue=' 'stall=' 'stall-time=' 'reset=' 'half=' 'version' 'h/help'
            end
        case 'version'
            __warren_parse_subcommand 0 'version' 'h/help'
        case 'help'
            __warren_parse_subcommand -r 1 'version'
        end
    end
end

function __warren_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __warren_parse_subcommand -S -a positional_count
    argparse -s r -- $argv
    set -l option_specs $argv[2..]
    set -l is_repeating_positional $_flag_r
    set -el _flag_r
    set -a commands $unparsed_tokens[1]
    set positional_index 0
    while true
        set -e unparsed_tokens[1]
        argparse -sn "$commands" $option_specs -- $unparsed_tokens 2> /dev/null
        set unparsed_tokens $argv
        set positional_index (math $positional_index + 1)
        for non_repeating_flag_or_option in $non_repeating_flags_or_options
            if set -ql "_flag_$(string replace -a - _ -- $non_repeating_flag_or_option)"
                set non_repeating_flags_or_options_absent 1
                break
            end
        end
        test (count $unparsed_tokens) -eq 0 -o \( -z "$is_repeating_positional" -a "$positional_index" -gt "$positional_count" \) && break
    end
end

function __warren_complete_directories
    set -l token (commandline -t)
    string match -- '*/' $token
    set -l subdirs $token*/
    printf %s\n $subdirs
end

function __warren_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__warren_tokens -p)
    if test -z "$(__warren_tokens -t)"
        set -l index (count (__warren_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens
end

complete -c 'warren' -f
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'run' -d 'Runs what a file or URLs describe until SIGINT or SIGTERM.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'check' -d 'Prints every problem of a configuration as file:line:column; opens nothing.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'demo' -d 'Shows the main job: real requests through every path on loopback, every byte checked.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'bench' -d 'Measures this build on this machine: every path on loopback, in this process.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'keygen' -d 'Makes key files and certificates.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'jet' -d 'Meets somebody at a JET relay: one accepts, the other connects, both dial out.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'token' -d 'Makes tokens for devices.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'expose' -d 'Serves a local port under a public name, or a port of a relay, until it is ended.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'status' -d 'Shows the units, tunnels, sessions and streams of a running process.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'reload' -d 'Has a running process read its configuration again and apply it: all of it, or nothing.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'kill' -d 'Ends a stream or a session of a running process.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'config' -d 'Shows the keys of a block or a type of the configuration; warren help config WORD is the same.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'import' -d 'Prints a warren.yaml that does what the configuration of another program does.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'lab' -d 'Stands between two programs and does to their datagrams or connections what bad networks do.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'version' -d 'Prints the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren" -eq 1' -fa 'help' -d 'Show subcommand help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren run"' -s 'c' -l 'config' -d 'The configuration file; - is standard input (default: warren.yaml).' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren run"' -s 'L' -l 'listen' -d 'An inbound without a file, such as mixed://127.0.0.1:1080.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren run"' -s 'F' -l 'forward' -d 'Where all inbounds lead, such as jproxy://relay:16384?key=key.dat. Several are a chain, nearest first.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren run"' -l 'allow' -d 'What clients may ask for besides public addresses; for -L.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren run" log-level' -l 'log-level' -d 'trace, debug, info, notice, warning or error; takes the place of log: level:.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren run" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren run" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check"' -s 'c' -l 'config' -d 'The configuration file; - is standard input (default: warren.yaml).' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check"' -s 'L' -l 'listen' -d 'An inbound without a file, such as mixed://127.0.0.1:1080.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check"' -s 'F' -l 'forward' -d 'Where all inbounds lead, such as jproxy://relay:16384?key=key.dat. Several are a chain, nearest first.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check"' -l 'allow' -d 'What clients may ask for besides public addresses; for -L.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check"' -l 'explain' -d 'Say which route a stream of an inbound would take.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check" user' -l 'user' -d 'As whom the stream\'s opener would have logged in; for --explain.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check" resolve' -l 'resolve' -d 'Ask for the addresses of the name; for --explain.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check" diff' -l 'diff' -d 'Say what a reload of the running process would touch; with --running.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check" running' -l 'running' -d 'Compare with the process that answers on the socket of admin:.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check" admin' -l 'admin' -d 'The socket to ask instead; for --running.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren check" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren demo" mebibytes' -l 'mebibytes' -d 'MiB fetched over each path.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren demo" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren demo" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren bench"' -l 'only' -d 'Measure only these paths, such as forward jproxy.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren bench" seconds' -l 'seconds' -d 'Seconds for each measurement; there are six for every path.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren bench" rounds' -l 'rounds' -d 'Measure everything so often, and show the medians.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren bench" json' -l 'json' -d 'Print one JSON object instead of a table.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren bench" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren bench" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren keygen" -eq 1' -fa 'jproxy' -d 'Writes key.dat for a client and users/<HASH>.dat for its server.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren keygen" -eq 1' -fa 'vproxy' -d 'Writes NAME.key and NAME.pub for one end of a vproxy tunnel over KCP, or one secret for both.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren keygen" -eq 1' -fa 'tls' -d 'Makes an authority and a certificate for a server or a client.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen jproxy" out' -l 'out' -d 'The folder to write to.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen jproxy" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen jproxy" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen vproxy" shared' -l 'shared' -d 'Makes one secret that both ends have, in the place of a pair.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen vproxy" out' -l 'out' -d 'The folder to write to.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen vproxy" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen vproxy" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen tls"' -l 'name' -d 'A further host name or IP address of the same machine.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen tls" out' -l 'out' -d 'The folder to write to.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen tls" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren keygen tls" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren jet" -eq 1' -fa 'accept' -d 'Waits at a relay for somebody who names the association.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren jet" -eq 1' -fa 'connect' -d 'Joins whoever waits at a relay under an association.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet accept" to' -l 'to' -d 'Where the stream goes; standard input and output if left out.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet accept" association' -l 'association' -d 'The association, in version 2; in version 1 the relay names it.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet accept" repeat' -l 'repeat' -d 'Wait again after each use.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet accept" announce' -l 'announce' -d 'Write association and relay to this file whenever they change.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet accept" candidate' -l 'candidate' -d 'The candidate of the association; meeting in version 2 needs both.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet accept" tls-ca' -l 'tls-ca' -d 'PEM file with the certificates to trust instead of those of the system.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet accept" log-level' -l 'log-level' -d 'trace, debug, info, notice, warning or error; the default is notice.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet accept" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet accept" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet connect" listen' -l 'listen' -d 'Where to wait for connections, such as 127.0.0.1:3389.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet connect" candidate' -l 'candidate' -d 'The candidate of the association; meeting in version 2 needs both.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet connect" tls-ca' -l 'tls-ca' -d 'PEM file with the certificates to trust instead of those of the system.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet connect" log-level' -l 'log-level' -d 'trace, debug, info, notice, warning or error; the default is notice.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet connect" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren jet connect" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren token" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren token" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren token" -eq 1' -fa 'mproxy' -d 'Prints a token that lets a device serve names and ports at an mproxy relay.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren token mproxy" secret-file' -l 'secret-file' -d 'The file whose first line signs tokens: the relay\'s secretFile.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren token mproxy"' -l 'name' -d 'A name to serve, such as www.example.net or *.example.net; several.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren token mproxy"' -l 'port' -d 'A port of the relay to serve; several.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren token mproxy" expires' -l 'expires' -d 'How long it is good, such as 30d or 12h.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren token mproxy" subject' -l 'subject' -d 'Who the device is, for logs; a device takes its own names over when it comes again.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren token mproxy" audience' -l 'audience' -d 'The relay that it is for, where that checks its audience.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren token mproxy" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren token mproxy" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren expose" relay' -l 'relay' -d 'The relay: wss://relay.example.net, or ws:// where that is safe.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren expose" token-file' -l 'token-file' -d 'The file with the token for the name.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren expose" tls-ca' -l 'tls-ca' -d 'PEM file with the certificates to trust instead of those of the system.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren expose" dialect' -l 'dialect' -d 'v1-go for a relay in Go, v1-node; the default is to tell by the relay\'s first words.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren expose" log-level' -l 'log-level' -d 'trace, debug, info, notice, warning or error; the default is notice.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren expose" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren expose" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren status"' -s 'c' -l 'config' -d 'The configuration file of the process, whose admin: names its socket (default: warren.yaml).' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren status" admin' -l 'admin' -d 'The socket itself.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren status" json' -l 'json' -d 'One JSON object on one line.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren status" watch' -l 'watch' -d 'Again every second, until it is interrupted.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren status" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren status" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren reload"' -s 'c' -l 'config' -d 'The configuration file of the process, whose admin: names its socket (default: warren.yaml).' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren reload" admin' -l 'admin' -d 'The socket itself.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren reload" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren reload" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren kill"' -s 'c' -l 'config' -d 'The configuration file of the process, whose admin: names its socket (default: warren.yaml).' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren kill" admin' -l 'admin' -d 'The socket itself.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren kill" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren kill" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren config" -eq 1' -fka 'file log admin inbounds outbounds relays routes egress limits users tls pac mixed socks5 http forward stdio jproxy jet zhwkprox mproxy public vproxy websocks direct'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren config" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren config" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren import" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren import" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren import" -eq 1' -fa 'vproxy-agent' -d 'Reads the configuration of vproxy\'s WebSocksProxyAgent.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren import vproxy-agent" -eq 1' -F
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren import vproxy-agent" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren import vproxy-agent" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren lab" -eq 1' -fa 'udp' -d 'Loses, delays, reorders, duplicates and damages datagrams, and shapes their rate.'
complete -c 'warren' -n '__warren_should_offer_completions_for_positional "warren lab" -eq 1' -fa 'tcp' -d 'Delays, slows down, stalls, resets and cuts off connections.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" only' -l 'only' -d 'Treat one direction only: up (to TARGET) or down.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" seed' -l 'seed' -d 'A number that says what happens; the default is a new one, which is printed.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" loss' -l 'loss' -d 'How many are lost, such as 5%.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" loss-burst' -l 'loss-burst' -d 'How many are lost in a row on average; at least 2.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" delay' -l 'delay' -d 'How long they are on their way, such as 20ms; at most 60s.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" jitter' -l 'jitter' -d 'By how much the delay varies at most, such as 5ms; it reorders datagrams.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" reorder' -l 'reorder' -d 'How many leave without the delay, and so before others, such as 1%.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" duplicate' -l 'duplicate' -d 'How many arrive twice, such as 1%.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" corrupt' -l 'corrupt' -d 'How many have one bit turned, such as 0.1%.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" rate' -l 'rate' -d 'Bytes a second, such as 10MiB, without their headers; of all peers together.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" queue' -l 'queue' -d 'Bytes that wait for --rate, such as 256KiB (the default); more are dropped.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" mtu' -l 'mtu' -d 'Bytes of the longest datagram; longer ones are dropped.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" rebind' -l 'rebind' -d 'How often each peer gets a new port toward TARGET, as behind a NAT, such as 10s.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" blackout' -l 'blackout' -d 'When nothing passes, counted from the first datagram: 3s@10s once, 30s/60s in every 60s, at its end, 3s@10s/60s both.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab udp" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" only' -l 'only' -d 'Treat one direction only: up (to TARGET) or down.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" seed' -l 'seed' -d 'A number that says what happens; the default is a new one, which is printed.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" delay' -l 'delay' -d 'How long bytes are on their way, such as 20ms; at most 60s.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" jitter' -l 'jitter' -d 'By how much the delay varies at most, such as 5ms; bytes stay in their order.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" rate' -l 'rate' -d 'Bytes a second of each connection, such as 1MiB.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" queue' -l 'queue' -d 'Bytes that are on their way at most, such as 4MiB (the default); then the sender waits.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" stall' -l 'stall' -d 'The chance of a stall, in which nothing passes, such as 1%.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" stall-time' -l 'stall-time' -d 'How long a stall lasts, such as 2s (the default).' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" reset' -l 'reset' -d 'The chance of a reset that both ends see, such as 0.1%.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" half' -l 'half' -d 'The chance that the receiver sees an orderly end, and what the sender says is dropped, such as 0.1%.' -rfka ''
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren lab tcp" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren version" version' -l 'version' -d 'Show the version.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren version" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'warren' -n '__warren_should_offer_completions_for_flags_or_options "warren help" version' -l 'version' -d 'Show the version.'
