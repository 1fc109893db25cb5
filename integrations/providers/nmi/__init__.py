"""NMI over its classic payment API and its query API, with Collect.js on a page of ours."""
