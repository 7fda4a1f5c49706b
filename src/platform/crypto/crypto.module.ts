import { Global, Module } from '@nestjs/common';
import { Environment } from '../config/environment.js';
import { developmentSecrets } from './development-secrets.js';
import { KeyRing } from './key-ring.js';

function keyRing(environment: Environment): KeyRing {
  if (environment.ENCRYPTION_KEYS.length > 0) return new KeyRing(environment.ENCRYPTION_KEYS);
  const generated = () => developmentSecrets(environment.DATA_DIR).encryptionKeys;
  return new KeyRing(generated(), generated);
}

@Global()
@Module({ providers: [{ provide: KeyRing, inject: [Environment], useFactory: keyRing }], exports: [KeyRing] })
export class CryptoModule {}
