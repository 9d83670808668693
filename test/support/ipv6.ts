import { networkInterfaces } from 'node:os'

/** Whether this machine has IPv6 at all. */
export const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))
/** Ends the name of a test that is skipped without it. */
export const WITHOUT_IPV6 = hasIpv6 ? '' : ' (skipped: no IPv6 here)'
