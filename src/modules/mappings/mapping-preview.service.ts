import { Injectable } from '@nestjs/common';
import type { CancelSignal } from '../../platform/cancellation.js';
import type { Actor } from '../../platform/auth/actor.js';
import { ItemReaderService } from './item-reader.service.js';
import type { PreviewedItem } from './mappings.dto.js';
import { MappingsService } from './mappings.service.js';

const MOST_PREVIEWED = 20;

/** A dry run: what the first items would become. */
@Injectable()
export class MappingPreviewService {
  constructor(
    private readonly mappings: MappingsService,
    private readonly reader: ItemReaderService,
  ) {}

  async preview(actor: Actor, id: number, signal: CancelSignal): Promise<{ items: PreviewedItem[] }> {
    const mapping = await this.mappings.editable(actor, id);
    const place = { ...mapping, mapping_id: id };
    for await (const { items } of this.reader.pages(place, actor.origin.requestId, null, signal)) {
      const shown = items.slice(0, MOST_PREVIEWED);
      return { items: shown.map(({ external_id, rendered, error }) => ({ external_id, data: rendered, error })) };
    }
    return { items: [] };
  }
}
