#!/bin/sh
# Makes the book of the documents: docs/make-book.sh [FOLDER], target/book unless given.
#
# mdbook takes pages from one folder only, and the documents lie at several places of the repository. So they are copied as they lie
# into a folder of their own: then a link from page to page, or to a file such as packaging/lab.toml, is the same in the repository,
# on its web page and in the book. Needs mdbook 0.5 (cargo install mdbook).
set -eu
cd "$(dirname "$0")/.."
out=${1:-target/book}
mkdir -p "$out"
out=$(cd "$out" && pwd)

parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
cp docs/book.toml docs/book.css "$parts/"
mkdir "$parts/src"
cp ./*.md LICENSE "$parts/src/"
for folder in docs packaging pxe-templates init-scripts; do
  cp -r "$folder" "$parts/src/"
done
# Files beside the pages are for reading, not for the book's own making.
rm -f "$parts"/src/docs/book.* "$parts/src/docs/make-book.sh" "$parts/src/docs/pictures/make.py" "$parts/src/docs/SUMMARY.md"
# The table of contents has links as seen from docs/; mdbook wants it above all pages.
sed -e 's,](\.\./,](,;t' -e 's,](\([^:)]*\.md\)),](docs/\1),' docs/SUMMARY.md >"$parts/src/SUMMARY.md"
mdbook build --dest-dir "$out" "$parts"
