# SPDX-License-Identifier: GPL-2.0-or-later
# The shape of ufw's rules, port 22 allowed, and one of the user's own with an ipset-like match.
set -e
for p in INPUT FORWARD; do iptables -P $p DROP; done
for c in before-input before-forward before-output after-input after-forward \
	reject-forward logging-deny not-local user-input user-forward skip; do
	iptables -N ufw-$c
done
iptables -A INPUT -j ufw-before-input
iptables -A INPUT -j ufw-after-input
iptables -A FORWARD -j ufw-before-forward
iptables -A FORWARD -j ufw-after-forward
iptables -A FORWARD -j ufw-reject-forward
iptables -A OUTPUT -j ufw-before-output
iptables -A ufw-before-input -i lo -j ACCEPT
iptables -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny
iptables -A ufw-before-input -m conntrack --ctstate INVALID -j DROP
iptables -A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
iptables -A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT
iptables -A ufw-before-input -j ufw-not-local
iptables -A ufw-before-input -j ufw-user-input
iptables -A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
iptables -A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j ufw-logging-deny
iptables -A ufw-not-local -j DROP
iptables -A ufw-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "
iptables -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A ufw-before-forward -j ufw-user-forward
iptables -A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
iptables -A ufw-user-input -p tcp --dport 8080 -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a -j ACCEPT
iptables -A ufw-reject-forward -j REJECT --reject-with icmp-port-unreachable
iptables -A ufw-before-output -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
