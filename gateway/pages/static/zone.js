// Remembers the reader's time zone, which HTTP does not tell, so that the server writes times as they are here.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const known = () => document.cookie.split("; ").includes(`rowline_zone=${zone}`);

if (zone && !known()) {
  document.cookie = `rowline_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  // this page was written without it; where cookies are refused, it stays as it is
  if (known() && document.querySelector("time")) location.reload();
}
