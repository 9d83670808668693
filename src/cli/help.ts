/** What the help texts say around the lists of options. */
export const HELP = {
  program: {
    description: 'A load balancer for TCP, UDP and SCTP that serves Kubernetes Services from user space.',
    examples: `
Options without a command mean "run".

Examples:
  portald --file services.yaml
  portald forward tcp://127.0.0.1:8080 127.0.0.1:9001 127.0.0.1:9002
  portald check services.yaml
  portald doctor`,
  },
  run: {
    description: 'Serve the Services of watched files, or of a Kubernetes cluster.',
    examples: `
Every option can also be a variable (PORTALD_NODE_IP for --node-ip) or a key of the --config file (nodeIp);
a flag wins over a variable, and a variable over the file. Durations are written 250ms, 30s or 1h30m.

A command line of kube-proxy's, and its --config, are understood too: docs/kube-proxy.md says what each part does.

Signals: TERM and INT finish what runs and exit, a second one exits now; HUP reads everything again.

Examples:
  portald run --file services.yaml
  portald run --file /etc/portald --node-ip 192.0.2.10 --service-cluster-ip-range 10.96.0.0/16
  portald run --config portald.yaml --log-level debug --access-log -
  portald run --kubeconfig /etc/kubernetes/portald.conf --node-ip 192.0.2.10
  portald run --config /var/lib/kube-proxy/config.conf`,
  },
  forward: {
    description: 'Forward one address to some endpoints, without any file.',
    examples: `
Names are resolved again every 30 seconds. IPv6 addresses stand in brackets.

Examples:
  portald forward tcp://127.0.0.1:8080 127.0.0.1:9001 127.0.0.1:9002
  portald forward tcp://127.0.0.1:5432 db.example:5432 --affinity client-ip=600
  portald forward udp://[::1]:5353 [2001:db8::1]:53 [2001:db8::2]:53`,
  },
  check: {
    description: 'Say what is wrong with files of objects, and what would be listened on.',
    examples: `
Prints one line a problem, then one line a listener. Exits with 1 if there is an error; warnings are none.

Examples:
  portald check services.yaml
  portald check /etc/portald --service-cluster-ip-range 10.96.0.0/16
  portald check -o json services.yaml`,
  },
  doctor: {
    description: 'Say what this machine has of what portald needs, and what to do about the rest.',
    examples: `
Prints one line a check: ok, warn or fail, with what to do under it. Exits with 1 if one fails.
Run it as the user that portald runs as, with the same options; with --file it also looks at what those Services need.

Examples:
  portald doctor
  portald doctor --file /etc/portald --engine native
  portald doctor --json | jq '.checks[] | select(.status != "ok")'
  portald doctor --ipvs && echo "kube-proxy can use IPVS here"`,
  },
  config: {
    description: 'Print the options that "run" would go by, and where each comes from.',
    examples: `
Takes the command line of "run". What is printed is a file that means the same; options that are not set stand in comments.

Examples:
  portald config
  portald config --config portald.yaml --log-level debug
  portald config --config /var/lib/kube-proxy/config.conf > portald.yaml`,
  },
  completion: {
    description: 'Print what a shell needs to complete command lines of portald.',
    examples: `
Examples:
  portald completion bash > /etc/bash_completion.d/portald
  portald completion zsh > "\${fpath[1]}/_portald"
  portald completion fish > ~/.config/fish/completions/portald.fish`,
  },
  status: {
    description: 'Say how a running portald is: sources, problems, Services, endpoints.',
    examples: `
Asks the one that answers at --admin. UP is how many endpoints get new sessions, of how many; FAILED counts attempts.
-o wide also shows the endpoints of every Service. Exits with 1 if nobody answers, or there is no such Service.

Examples:
  portald status
  portald status default/web
  portald status -o json | jq -r '.services[].endpoints[] | select(.state != "serving") | .endpoint'`,
  },
  import: {
    description: 'Give objects in files to a running portald through its API.',
    examples: `
Examples:
  portald import services.yaml
  portald import objects.yaml --admin 127.0.0.1:10246`,
  },
  export: {
    description: 'Print the objects that were given to a running portald through its API.',
    examples: `
Examples:
  portald export > objects.yaml
  portald export --admin 127.0.0.1:10246 | kubectl --server http://other:10246 apply -f -`,
  },
  top: {
    description: 'Watch what happens: rates, sessions, bytes, errors and connect times.',
    examples: `
IN and OUT are bytes a second from clients and to them; ERR sessions turned away or lost, FAIL attempts that failed, each
second; P50 and P99 milliseconds in which endpoints answered. Keys: q quit, s sort, e endpoints, / filter, p pause, j k scroll.

Examples:
  portald top
  portald top --endpoints --filter default/web
  portald top --once --interval 10s`,
  },
  sessions: {
    description: 'List the sessions that run now.',
    examples: `
Oldest first. IN is what the client has sent, OUT what it was sent. The number of a session is the same in the access log.

Examples:
  portald sessions
  portald sessions --service default/web --older-than 1h --bytes-over 1G
  portald sessions --client 192.0.2.0/24 --watch
  portald sessions --limit 100000 -o json | jq '.sessions | group_by(.endpoint) | map({(.[0].endpoint): length}) | add'`,
  },
  kill: {
    description: 'End sessions now: by number, or all that match a filter.',
    examples: `
Both sides see a reset, and the access log says "killed". Exits with 1 if nothing was ended.

Examples:
  portald kill 1042 1043
  portald kill --endpoint 10.1.2.3 --idle-longer-than 10m`,
  },
  drain: {
    description: 'Take endpoints out: nothing new goes there, and what runs goes on.',
    examples: `
The endpoints of a Service, those on a node, or one endpoint in all Services. It stays out whatever is loaded, until
"portald undrain" or the end of the process. Exits with 1 if nothing is meant, or if the deadline had to end something.

Examples:
  portald drain 10.1.2.3:8080
  portald drain 10.1.2.3 --service default/web --wait
  portald drain node-7 --deadline 5m`,
  },
  undrain: {
    description: 'Put endpoints back that were taken out with "drain".',
    examples: `
Examples:
  portald undrain 10.1.2.3:8080
  portald undrain node-7`,
  },
  explain: {
    description: 'Say where a client would be sent now, and why; changes nothing.',
    examples: `
Shows each step, and of every endpoint whether it is in or out. Exits with 1 if it would not be sent anywhere.

Examples:
  portald explain 192.0.2.7 10.96.0.10:80
  portald explain 192.0.2.7 udp://10.96.0.10:53 -o json | jq .outcome`,
  },
  trace: {
    description: 'Follow new sessions of a Service through every step, live.',
    examples: `
A line a step: the client came, an endpoint was chosen, refused or connected, and how it ended. The number of a session is
the same in the access log. Ends when interrupted; nothing is left behind that costs anything.

Examples:
  portald trace default/web
  portald trace default/web:http --client 192.0.2.7
  portald trace default/web -o json | jq -c 'select(.step == "failed")'`,
  },
  'log-level': {
    description: 'Say how much a running portald logs, or change it until it ends.',
    examples: `
Examples:
  portald log-level
  portald log-level debug`,
  },
  cleanup: {
    description: 'Remove addresses that an instance made local and left behind when it was killed.',
    examples: `
Only what this program made is ever removed, and nothing that a running instance needs. Needs CAP_NET_ADMIN.
Exits with 1 if something could not be removed.

Example:
  portald cleanup`,
  },
  version: {
    description: 'Say which version this is.',
    examples: `
Example:
  portald version`,
  },
} as const satisfies Readonly<Record<string, { readonly description: string; readonly examples: string }>>
