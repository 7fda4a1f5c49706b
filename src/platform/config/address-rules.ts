import { ValidateBy } from 'class-validator';
import ipaddr from 'ipaddr.js';
import { EgressPolicy } from '../egress/egress-policy.js';

/** Entries of `EGRESS_ALLOW`: hosts, addresses or CIDRs. */
export function AreEgressEntries(): PropertyDecorator {
  return everyEntry(
    'EGRESS_ALLOW must list hosts, addresses or CIDRs, such as 10.0.0.0/8,internal.example.com',
    (entry) => {
      new EgressPolicy([entry]);
    },
  );
}

/** Entries of `TRUSTED_PROXIES`: addresses or CIDRs. */
export function AreProxyAddresses(): PropertyDecorator {
  return everyEntry('TRUSTED_PROXIES must list addresses or CIDRs, such as 10.0.0.0/8', (entry) => {
    if (entry.includes('/')) ipaddr.parseCIDR(entry);
    else if (!ipaddr.isValid(entry)) throw new Error('no address');
  });
}

/** Pairs of `ENCRYPTION_KEYS`: an id names one key. */
export function HaveDifferentIds(): PropertyDecorator {
  return ValidateBy({
    name: 'haveDifferentIds',
    validator: {
      validate: (value: unknown) => {
        const ids = (value as string[]).map((entry) => entry.split(':')[0]);
        return new Set(ids).size === ids.length;
      },
      defaultMessage: () => 'ENCRYPTION_KEYS must not name an id twice',
    },
  });
}

/** @param check throws for an entry that can not be used */
function everyEntry(message: string, check: (entry: string) => void): PropertyDecorator {
  const validate = (value: unknown): boolean => {
    try {
      (value as string[]).forEach(check);
      return true;
    } catch {
      return false;
    }
  };
  return ValidateBy({ name: 'everyEntry', validator: { validate, defaultMessage: () => message } });
}
