import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Product } from '../support/product.js';

const COPIED = [
  'src',
  'migrations',
  'ormconfig.ts',
  'package.json',
  'nest-cli.json',
  'tsconfig.json',
  'tsconfig.build.json',
];

/** The product in a folder of its own, to which something is added before it is built and started. */
export class ProductCopy {
  private readonly root = mkdtempSync(join(tmpdir(), 'mcp-control-plane-copy-'));
  private product: Product | null = null;

  constructor() {
    for (const name of COPIED) cpSync(name, join(this.root, name), { recursive: true });
    symlinkSync(join(process.cwd(), 'node_modules'), join(this.root, 'node_modules'));
  }

  /**
   * Adds a folder of samples; their imports of the product become those of its new place.
   * @param places path in the copy, by the name of a file; those without stay in `folder`
   */
  add(samples: string, folder: string, places: Record<string, string> = {}): void {
    mkdirSync(join(this.root, folder));
    for (const name of readdirSync(samples)) {
      const text = readFileSync(join(samples, name), 'utf8')
        .replaceAll(`../../../${folder.split('/').slice(0, 2).join('/')}/`, '../')
        .replaceAll('../../../src/', '../../');
      writeFileSync(join(this.root, places[name] ?? join(folder, name)), text);
    }
  }

  edit(file: string, change: (text: string) => string): void {
    const path = join(this.root, file);
    writeFileSync(path, change(readFileSync(path, 'utf8')));
  }

  async start(): Promise<Product> {
    await promisify(execFile)(process.execPath, ['node_modules/@nestjs/cli/bin/nest.js', 'build'], { cwd: this.root });
    this.product = await Product.start(join(this.root, 'data'), {}, this.root);
    return this.product;
  }

  async remove(): Promise<void> {
    await this.product?.end('SIGTERM');
    rmSync(this.root, { recursive: true, force: true });
  }
}
