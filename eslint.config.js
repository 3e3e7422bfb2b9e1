// @ts-check
import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["node_modules/", ".venv/"] },
  js.configs.recommended,
  {
    files: ["cityseg/ui/viewer/js/*.js"],
    languageOptions: { globals: { ...globals.browser, ...globals.worker } },
  },
  { files: ["tests/ui/viewer/*.js"], languageOptions: { globals: globals.node } },
  {
    rules: {
      "class-methods-use-this": "error",
      complexity: ["error", 12],
      "consistent-return": "error",
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "max-classes-per-file": ["error", 1],
      "max-depth": ["error", 3],
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", 40],
      "no-console": "error",
      "no-param-reassign": "error",
      "no-shadow": "error",
      "no-use-before-define": ["error", { functions: false, classes: false, variables: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
];
