/** Of the product, as in package.json: the built tree does not always lie beside it. */
export const VERSION = '0.1.0';
