/** A part of a whole, by its weight; what it consists of, where it has parts. */
export interface TreemapNode {
  name: string;
  weight: number;
  /** Decides the colour. */
  kind: string;
  /** What is shown of it besides its name. */
  note: string;
  parts: TreemapNode[];
}

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface PlacedNode extends Rectangle {
  node: TreemapNode;
  /** 0 for the parts of the whole. */
  depth: number;
}

/** Room above the parts of a node for its name. */
const title = 16;
const margin = 1;
/** Smaller rectangles show none of their parts. */
const smallest = { width: 24, height: 24 };

/**
 * Every node as a rectangle of an area that is in proportion to its weight, nodes before their parts: the squarified
 * treemap of Bruls, Huizing and van Wijk (2000). What has no weight has no rectangle.
 */
export function treemap(nodes: readonly TreemapNode[], area: Rectangle, depth = 0): PlacedNode[] {
  return squarified(nodes, area).flatMap(({ node, ...place }) => {
    const placed = { node, depth, ...place };
    const inner = {
      x: place.x + margin,
      y: place.y + title,
      width: place.width - 2 * margin,
      height: place.height - title - margin,
    };
    const shown = inner.width >= smallest.width && inner.height >= smallest.height;
    return node.parts.length === 0 || !shown ? [placed] : [placed, ...treemap(node.parts, inner, depth + 1)];
  });
}

function squarified(nodes: readonly TreemapNode[], area: Rectangle): (Rectangle & { node: TreemapNode })[] {
  const waiting = nodes.filter(({ weight }) => weight > 0).toSorted((a, b) => b.weight - a.weight);
  let total = waiting.reduce((sum, { weight }) => sum + weight, 0);
  let rest = area;
  const placed: (Rectangle & { node: TreemapNode })[] = [];
  while (waiting.length > 0) {
    const scale = (rest.width * rest.height) / total;
    const side = Math.min(rest.width, rest.height);
    const row: TreemapNode[] = [];
    for (let best = Infinity; waiting.length > 0;) {
      const ratio = worstRatio([...row, waiting[0]!], scale, side);
      if (row.length > 0 && ratio > best) break;
      best = ratio;
      row.push(waiting.shift()!);
    }
    const weight = row.reduce((sum, each) => sum + each.weight, 0);
    const across = side === 0 ? 0 : (weight * scale) / side;
    const isColumn = rest.width >= rest.height;
    let along = 0;
    for (const node of row) {
      const length = weight === 0 ? 0 : (side * node.weight) / weight;
      placed.push(
        isColumn
          ? { node, x: rest.x, y: rest.y + along, width: across, height: length }
          : { node, x: rest.x + along, y: rest.y, width: length, height: across },
      );
      along += length;
    }
    total -= weight;
    rest = isColumn
      ? { ...rest, x: rest.x + across, width: Math.max(0, rest.width - across) }
      : { ...rest, y: rest.y + across, height: Math.max(0, rest.height - across) };
  }
  return placed;
}

/** Of the longer side to the shorter, of the rectangle that is farthest from a square. */
function worstRatio(row: readonly TreemapNode[], scale: number, side: number): number {
  const areas = row.map(({ weight }) => weight * scale);
  const sum = areas.reduce((a, b) => a + b, 0);
  return Math.max(...areas.map((each) => Math.max((side ** 2 * each) / sum ** 2, sum ** 2 / (side ** 2 * each))));
}
