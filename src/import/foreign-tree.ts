import type { Failure, SourceLocation } from '../failure.ts';
import type { Order } from './envd/order.ts';

/** What a user can say about a tree that the tree itself does not. */
export interface ImportOptions {
  /** Images by the names that the tree gives them. */
  images: ReadonlyMap<string, string>;
  order: Order;
}

/** A layer as imgbuild.yaml declares it; paths are relative to the root. */
export interface ForeignLayer {
  name: string;
  context: string;
  dockerfile: string;
  image: string;
  /** Other keys, in their order; values as YAML 1.2 has them in JSON. */
  others: Record<string, unknown>;
  /** Where it comes from, and what else there is to say: lines of comment above it. */
  comments: string[];
  /** Where it is declared. */
  at?: SourceLocation;
  /** Where parts of it are, by the path of the key in it: `copy.0.src`. */
  places?: Record<string, SourceLocation>;
}

/** What a tree amounts to. */
export interface ForeignProject {
  /** Keys of imgbuild.yaml besides the layers; values as YAML 1.2 has them in JSON. */
  top?: Record<string, unknown>;
  /** Where parts of `top` are, by the path of the key: `args.CONFIG_X`. */
  places?: Record<string, SourceLocation>;
  /** Parents first. */
  layers: ForeignLayer[];
  /** That imgbuild.yaml needs beside it. */
  files: { path: string; text: string }[];
  /** What works, and could be better. */
  advice: { at: SourceLocation; text: string }[];
  /** What could not be translated. */
  failures: Failure[];
  /** Lines of an imgbuild.yaml that uses the tree as it is, so that its files stay the source. */
  direct: string[];
}

/** A kind of description that other systems build images by. */
export interface ForeignTree {
  kind: string;
  /** As its users call it. */
  title: string;
  /** The files that show that a folder is such a tree, relative to it; none: it is another. */
  recognise(root: string): Promise<string[]>;
  /** Reads them; nothing is written. `found`: as `recognise` gave them. */
  read(root: string, found: readonly string[], options: ImportOptions): Promise<ForeignProject>;
}

/** The layer that makes an image already, of a script that calls for it twice. */
export function sameImage({ layers }: ForeignProject, image: string): ForeignLayer | undefined {
  const whole = (text: string) => (/:[^/]*$/.test(text) ? text : `${text}:latest`);
  return layers.find((layer) => whole(layer.image) === whole(image));
}
