import type { Difference } from "./compare.ts";

/** What became of one case. */
export type Verdict =
  | { readonly kind: "agreed" }
  | { readonly kind: "differed"; readonly differences: readonly Difference[] }
  /** The case needs what is not built. */
  | { readonly kind: "refused"; readonly reason: string };

export interface FeatureCounts {
  rows: number;
  agreed: number;
  differed: number;
  refused: number;
}

/** Counts and differences over all cases that were run. rows = agreed + differed + refused. */
export class ConformanceReport {
  readonly total: FeatureCounts = { rows: 0, agreed: 0, differed: 0, refused: 0 };
  readonly features = new Map<string, FeatureCounts>();
  readonly differences: (Difference & { readonly id: string })[] = [];
  /** Reasons of refusal, and how many rows each. */
  readonly reasons = new Map<string, number>();

  add(id: string, features: ReadonlySet<string>, verdict: Verdict): void {
    this.#count(this.total, verdict);
    for (const feature of features) {
      let counts = this.features.get(feature);
      if (!counts) {
        counts = { rows: 0, agreed: 0, differed: 0, refused: 0 };
        this.features.set(feature, counts);
      }
      this.#count(counts, verdict);
    }
    if (verdict.kind === "differed") for (const difference of verdict.differences) this.differences.push({ id, ...difference });
    if (verdict.kind === "refused") this.reasons.set(verdict.reason, (this.reasons.get(verdict.reason) ?? 0) + 1);
  }

  #count(counts: FeatureCounts, { kind }: Verdict): void {
    counts.rows++;
    counts[kind]++;
  }

  /** The object that --json prints. */
  toJson(): object {
    const { rows, agreed, differed, refused } = this.total;
    return {
      rows,
      agreed,
      differed,
      refused,
      differences: this.differences,
      features: Object.fromEntries([...this.features].sort(([a], [b]) => (a < b ? -1 : 1))),
      reasons: Object.fromEntries(this.byCount(this.reasons)),
    };
  }

  byCount(counts: ReadonlyMap<string, number>): [string, number][] {
    return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  }
}
