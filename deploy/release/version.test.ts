import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutSection, notesOf } from './changelog.ts';
import { isVersion, releasedVersions } from './version.ts';

test('tags are read as versions in the order of Semantic Versioning; others are left out', () => {
  const tags = ['v0.10.0', 'v0.9.1', 'v1.0.0', 'nightly', 'v1.0', 'v1.0.0-rc.10', 'v1.0.0-rc.2', 'v01.0.0'];
  assert.deepEqual(releasedVersions(tags), ['0.9.1', '0.10.0', '1.0.0-rc.2', '1.0.0-rc.10', '1.0.0']);
  for (const wrong of ['', '1', '1.2', 'v1.2.3', '1.2.3+build', '1.2.3-', ' 1.2.3'])
    assert.ok(!isVersion(wrong), wrong);
});

const TEXT = '# Changelog\n\n## Unreleased\n### Added\n- B.\n\n## 0.1.0 (2026-01-01)\n- A.\n';

test('what is unreleased becomes the section of a version, and stays that of others', () => {
  assert.equal(notesOf(TEXT, '0.2.0'), '### Added\n- B.');
  assert.equal(notesOf(TEXT, '0.1.0'), '- A.');
  const cut = cutSection(TEXT, '0.2.0', '2026-02-02');
  assert.equal(cut, TEXT.replace('## Unreleased\n', '## Unreleased\n\n## 0.2.0 (2026-02-02)\n'));
  assert.equal(notesOf(cut, '0.2.0'), '### Added\n- B.');
  assert.equal(notesOf(cut, '0.3.0'), '');
  // 0.1.0-rc.1 is not 0.1.0, and a section that is there is not cut again.
  assert.equal(notesOf(cut, '0.1.0-rc.1'), '');
  assert.equal(cutSection(cut, '0.2.0', '2027-01-01'), cut);
});
