// Prices are whole cents. Three for two: of every three of the same item, one is free.

export function total(items) {
  return items.reduce((sum, { price, count }) => sum + price * payable(count), 0);
}

function payable(count) {
  return count - Math.ceil(count / 3);
}
