WITH `t4` AS (
  SELECT
    `t0`.`play_id`,
    `t0`.`user_id`,
    `t0`.`item_id`,
    `t0`.`played_at`,
    TIMESTAMP_SUB(`t0`.`played_at`, INTERVAL '86400' SECOND) AS `opens`,
    TIMESTAMP_SUB(`t0`.`played_at`, INTERVAL '0' SECOND) AS `closes`,
    CAST(FLOOR(
      ieee_divide(
        CAST(FLOOR(
          ieee_divide(
            CAST(UNIX_SECONDS(
              TIMESTAMP_TRUNC(TIMESTAMP_SUB(`t0`.`played_at`, INTERVAL '86400' SECOND), SECOND)
            ) AS INT64),
            3600
          )
        ) AS INT64),
        24
      )
    ) AS INT64) AS `first_stretch`,
    CAST(FLOOR(
      ieee_divide(
        CAST(FLOOR(
          ieee_divide(
            CAST(UNIX_SECONDS(TIMESTAMP_TRUNC(TIMESTAMP_SUB(`t0`.`played_at`, INTERVAL '0' SECOND), SECOND)) AS INT64),
            3600
          )
        ) AS INT64),
        24
      )
    ) AS INT64) AS `stretch`
  FROM `plays` AS `t0`
)
SELECT
  `t2`.`play_id`,
  `t15`.`impression_id`,
  `t2`.`user_id`,
  `t2`.`item_id`,
  `t2`.`played_at`,
  `t15`.`t0`,
  COALESCE(`t15`.`credit`, CAST(1 AS FLOAT64)) AS `credit`
FROM `plays` AS `t2`
LEFT OUTER JOIN (
  SELECT
    `t13`.*
    EXCEPT (`place`)
  FROM (
    SELECT
      `t12`.`play_id`,
      `t12`.`impression_id`,
      `t12`.`t0`,
      `t12`.`place`,
      CAST('1' AS FLOAT64) AS `credit`
    FROM (
      SELECT
        `t11`.`play_id`,
        `t11`.`impression_id`,
        `t11`.`t0`,
        ROW_NUMBER() OVER (
          PARTITION BY `t11`.`play_id`
          ORDER BY `t11`.`t0` DESC, MD5(`t11`.`impression_id`) DESC, `t11`.`impression_id` DESC
        ) - 1 AS `place`
      FROM (
        SELECT
          `t10`.`play_id`,
          `t10`.`impression_id`,
          `t10`.`t0`
        FROM (
          SELECT
            `t9`.`play_id`,
            `t5`.`impression_id`,
            `t5`.`t0`,
            `t9`.`played_at`
          FROM (
            SELECT
              `t1`.`impression_id`,
              `t1`.`user_id`,
              `t1`.`item_id`,
              `t1`.`t0`,
              CAST(FLOOR(
                ieee_divide(
                  CAST(FLOOR(
                    ieee_divide(CAST(UNIX_SECONDS(TIMESTAMP_TRUNC(`t1`.`t0`, SECOND)) AS INT64), 3600)
                  ) AS INT64),
                  24
                )
              ) AS INT64) AS `stretch`
            FROM `impressions` AS `t1`
          ) AS `t5`
          INNER JOIN (
            SELECT
              *
            FROM `t4` AS `t6`
            UNION ALL
            SELECT
              *
            FROM (
              SELECT
                `t6`.`play_id`,
                `t6`.`user_id`,
                `t6`.`item_id`,
                `t6`.`played_at`,
                `t6`.`opens`,
                `t6`.`closes`,
                `t6`.`first_stretch`,
                `t6`.`first_stretch` AS `stretch`
              FROM `t4` AS `t6`
              WHERE
                `t6`.`first_stretch` < `t6`.`stretch`
            ) AS `t7`
          ) AS `t9`
            ON `t5`.`user_id` = `t9`.`user_id`
            AND `t5`.`item_id` = `t9`.`item_id`
            AND `t5`.`stretch` = `t9`.`stretch`
            AND `t5`.`t0` > `t9`.`opens`
            AND `t5`.`t0` <= `t9`.`closes`
        ) AS `t10`
      ) AS `t11`
    ) AS `t12`
    WHERE
      `t12`.`place` = 0
  ) AS `t13`
) AS `t15`
  ON `t2`.`play_id` = `t15`.`play_id`
